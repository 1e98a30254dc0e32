"""A copy of pix2pix: what is read of it, what it lacks, and the options of its age."""

import sys
from pathlib import Path
from typing import Any

import pytest

from harness.config.profiles import QUICK
from harness.config.settings import Repository, SearchConfig
from harness.errors import UserInputError
from harness.search.plan import plan_search
from harness.trials.external.repository import (
    check_options,
    python_of,
    read_repository,
    trial_command,
)
from harness.trials.external.trainer import choose_trainer
from reports.commands.repository_options import name_in_copy
from search_spaces.space import load_space
from tests.harness.trials.external.copies import PARAMS, copy_of_pix2pix


class TestRepositories:
    def test_its_own_options_and_those_of_its_models_are_read(self, tmp_path: Path) -> None:
        repo = copy_of_pix2pix(tmp_path / "pix2pix")
        (repo / "models" / "pix2pix_model.py").write_text("parser.add_argument('--lambda_X')")
        (repo / "models" / "networks.py").touch()
        found = read_repository(repo, 600)
        assert found.models == ("pix2pix", "pix2pix_with_perceptual")
        assert {"lambda_X", "n_layers_D", "gan_mode"} <= set(found.options)
        assert (found.python, found.silence) == (sys.executable, 600)
        own = repo / ".venv" / "bin" / "python"
        own.parent.mkdir(parents=True)
        own.symlink_to(sys.executable)
        assert python_of(repo) == str(own)

    def test_a_copy_without_the_perceptual_model_is_refused_only_where_it_is_wanted(
        self, repository: Repository
    ) -> None:
        options = tuple(o for o in repository.options if "perceptual" not in o)
        plain = repository.model_copy(update={"options": options, "models": ("pix2pix",)})
        check_options(repository, PARAMS, QUICK)
        check_options(plain, PARAMS.model_copy(update={"lambda_perceptual": 0}), QUICK)
        told = r"pix2pix_with_perceptual.*--format plugin --repo \S+ .*--set lambda_perceptual=0"
        with pytest.raises(UserInputError, match=told):
            check_options(plain, PARAMS, QUICK)

    def test_a_search_that_keeps_the_term_at_0_needs_no_model_for_it(self, tmp_path: Path) -> None:
        repo = copy_of_pix2pix(tmp_path / "pix2pix")
        (repo / "models" / "pix2pix_with_perceptual_model.py").unlink()
        config = SearchConfig(trainer="external", repo=repo)
        without, any_value = (
            load_space("default", pins).without("generator")
            for pins in ({"lambda_perceptual": "0"}, {})
        )
        assert choose_trainer(config, without, QUICK) is not None
        with pytest.raises(UserInputError, match="--set lambda_perceptual=0"):
            choose_trainer(config, any_value, QUICK)

    def test_moving_pixels_needs_our_model_file(self, repository: Repository) -> None:
        """The perceptual term too comes with it, whatever other model files are there."""
        moving = QUICK.updated({"netG": "warp_unet_128"})
        with pytest.raises(UserInputError, match=r"--model pix2pix_warp.*--format plugin --repo"):
            check_options(repository, PARAMS, moving)
        models = ("pix2pix", "pix2pix_warp")
        check_options(repository.model_copy(update={"models": models}), PARAMS, moving)

    def test_the_option_names_before_2020_are_used_where_they_are(
        self, repository: Repository, tmp_path: Path
    ) -> None:
        older = {"n_epochs": "niter", "n_epochs_decay": "niter_decay"}
        options = tuple(older.get(o, o) for o in repository.options)
        old = repository.model_copy(update={"options": options})
        assert name_in_copy("n_epochs", old.options) == "niter"
        command = trial_command(old, PARAMS, QUICK, tmp_path, 3, tmp_path, "cpu", warm=False)
        assert "--niter" in command
        assert "--n_epochs" not in command
        assert "--continue_train" not in command

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (None, "There is no train.py"),
            ("import nothing_there", r"an error \(ModuleNotFoundError: .* 'nothing_there'\): fix"),
        ],
    )
    def test_one_that_does_not_run_is_refused(
        self, text: str | None, said: str, tmp_path: Path
    ) -> None:
        if text is not None:
            (tmp_path / "train.py").write_text(text)
        with pytest.raises(UserInputError, match=said):
            read_repository(tmp_path, 600)

    @pytest.mark.parametrize("words", [{"trainer": "external"}, {"repo": Path("pix2pix")}])
    def test_trainer_and_repo_belong_together(self, words: dict[str, Any], tmp_path: Path) -> None:
        config = SearchConfig.model_validate(
            {"run_dir": tmp_path / "runs", "weights": "random", "device": "cpu", **words}
        )
        with pytest.raises(UserInputError, match="belong together"):
            plan_search(config)
