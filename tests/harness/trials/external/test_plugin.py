"""Our model files in a copy of pix2pix: imported there, trained, and exchanged with ours."""

import importlib
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from torch import nn
from typer.testing import CliRunner, Result

from harness.cli.export import export
from harness.config.profiles import QUICK
from harness.config.settings import TrainSettings
from harness.errors import UserInputError
from harness.evaluation.restore import load_generator
from harness.training.init_from import check_fits, networks_of
from harness.training.networks import WarpUnet, build_discriminator, build_generator, restoring
from harness.training.perceptual import VGG19_LAYERS, PerceptualLoss
from harness.training.step import Pix2Pix
from harness.trials.external.plugin import MARK, PERCEPTUAL, SOURCES, WARP, write_plugin
from objectives.weights import build_trunk
from reports.export.best_yaml import best_config
from search_spaces.trial_params import TrialParams
from tests.golden.pix2pix_case import batch
from tests.harness.by_hand import assert_moved_alike
from tests.reports.commands.test_train_py import SHARED
from tests.synthetic_studies import make_study
from tests.test_walls import imports

STAND_IN = Path(__file__).with_name("stand_in_copy")
SETTINGS = QUICK.updated({"netG": "warp_unet_128", "ngf": 4, "ndf": 4, "dropout": False})
PARAMS = TrialParams(lambda_L1=100, lambda_perceptual=0, n_layers_D=2, gan_mode="lsgan", lr=1e-3)
WORDS = shlex.split(
    "--model pix2pix_warp --name warp --netG unet_128 --ngf 4 --ndf 4 --norm batch --n_layers_D 2 "
    "--gan_mode lsgan --lr 0.001 --beta1 0.5 --load_size 128 --no_dropout --init_gain 0.02"
)


def copy_of_pix2pix(folder: Path) -> Path:
    shutil.copytree(STAND_IN, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(params=["with gpu_ids", "of today"])
def models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[ModuleType]:
    """The models/ of a copy with our files in it; older copies have GPUs among their options."""
    folder = copy_of_pix2pix(tmp_path / "pix2pix")
    write_plugin(folder, force=False)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.chdir(folder)
    found = importlib.import_module("models")
    parse = found.parse

    def parsed(*words: str, is_train: bool = True) -> Any:
        opt = parse([*WORDS, *words], is_train)
        if request.param == "with gpu_ids":
            opt.gpu_ids = [0]
        return opt

    monkeypatch.setattr(found, "parse", parsed)
    yield found
    for name in [name for name in sys.modules if name.partition(".")[0] == "models"]:
        del sys.modules[name]


def created(models: ModuleType, *words: str, is_train: bool = True) -> Any:
    torch.manual_seed(0)
    opt = models.parse(*words, is_train=is_train)
    model = models.create_model(opt)
    model.setup(opt)
    return model


def trained_a_little(settings: TrainSettings = SETTINGS) -> WarpUnet:
    """One whose field and correction are not zero."""
    net = build_generator(settings, 3)
    assert isinstance(net, WarpUnet)
    head = net.get_submodule("model.model.3")
    with torch.no_grad():
        for weight in head.parameters():
            weight.normal_(0, 0.05, generator=torch.Generator().manual_seed(4))
    return net


def without_harness(file: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(file)}


def test_they_need_only_torch_and_the_copy() -> None:
    files = sorted(SOURCES.glob("*_model.py"))
    assert [file.name for file in files] == [WARP, PERCEPTUAL]
    for file in files:
        allowed = {"__future__", "typing", "torch", "torchvision", "models"}
        assert without_harness(file) <= allowed
        assert MARK in file.read_text(encoding="utf-8")


def test_it_begins_as_the_identity(models: ModuleType) -> None:
    """Also where `setup` initialises every network anew."""
    picture, _ = batch(1)
    model = created(models)
    with torch.no_grad():
        assert (model.netG(picture) - picture).abs().max() < 1e-4
    assert any(weight.abs().sum() > 0 for weight in model.warp.parameters())


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_the_same_weights_restore_the_same_as_here(models: ModuleType, norm: str) -> None:
    net = trained_a_little(SETTINGS.updated({"norm": norm}))
    net.field_size.fill_(64)
    model = created(models, "--norm", norm)
    model.warp.load_state_dict(net.state_dict())
    picture = torch.nn.functional.avg_pool2d(batch(2)[0], 9, 1, 4)
    with torch.no_grad():
        found, wanted = model.netG(picture), net(picture)
    assert (wanted - picture).abs().mean() > 0.01
    assert (found - wanted).abs().max() < 1e-6


@pytest.mark.parametrize("gan_mode", ["lsgan", "vanilla"])
def test_its_steps_are_ours(models: ModuleType, gan_mode: Any) -> None:
    """At a learning rate at which the rounding of some processors does not grow within steps."""
    params = PARAMS.model_copy(update={"gan_mode": gan_mode, "lr": 1e-4})
    begun = trained_a_little().state_dict()
    ours = Pix2Pix.start(
        trained_a_little(), build_discriminator(SETTINGS, 2, 5), params, SETTINGS, None
    )
    model = created(models, "--gan_mode", gan_mode, "--lr", "0.0001")
    model.warp.load_state_dict(begun)
    model.netD.load_state_dict(build_discriminator(SETTINGS, 2, 5).state_dict())
    for number in range(3):
        a, b = batch(number)
        wanted = ours.step(a, b)
        model.set_input({"A": a, "B": b})
        model.optimize_parameters()
        for name in model.loss_names:
            found = getattr(model, f"loss_{name}").item()
            assert found == pytest.approx(float(wanted[name]), rel=1e-5), name
    learnt = {name: weight.detach() for name, weight in ours.generator.named_parameters()}
    assert_moved_alike(dict(model.warp.named_parameters()), learnt, begun)


@pytest.fixture(scope="module")
def trunk() -> nn.Sequential:
    return build_trunk("vgg19", "random")[: max(VGG19_LAYERS.values()) + 1]


@pytest.fixture
def without_downloads(trunk: nn.Sequential, monkeypatch: pytest.MonkeyPatch) -> nn.Sequential:
    """torchvision's VGG19, here and there, with the same random weights."""

    def vgg19(weights: str) -> SimpleNamespace:
        assert weights == "IMAGENET1K_V1"
        return SimpleNamespace(features=trunk)

    monkeypatch.setattr("torchvision.models.vgg19", vgg19)
    monkeypatch.setattr("harness.training.perceptual.build_trunk", lambda *_: trunk)
    return trunk


def test_its_perceptual_distance_is_ours(
    models: ModuleType, without_downloads: nn.Sequential
) -> None:
    plugin = importlib.import_module("models.pix2pix_warp_model")
    a, b = (picture[..., :32, :32] for picture in batch(1))
    found = plugin.PerceptualLoss()(a, b)
    wanted = PerceptualLoss(tuple(VGG19_LAYERS), "pretrained", None)(a, b)
    assert float(found) == pytest.approx(float(wanted), rel=1e-5)


def test_without_vgg19_s_weights_train_py_ends_with_one_sentence(
    models: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(**_: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr("torchvision.models.vgg19", offline)
    with pytest.raises(SystemExit, match=r"no network.*/vgg19-\w+\.pth into .*checkpoints, or"):
        importlib.import_module("models.pix2pix_warp_model").PerceptualLoss()


@pytest.mark.parametrize(
    ("words", "weight"),
    [
        ("--model pix2pix_warp --lambda_perceptual 3", 3),
        ("--model pix2pix_with_perceptual --use_perceptual --lambda_perceptual 4", 4),
        ("--model pix2pix_with_perceptual --use_perceptual", 10),
        ("--model pix2pix_with_perceptual --lambda_perceptual 4", 0),
        ("--model pix2pix_warp", 0),
    ],
)
def test_the_perceptual_term_pulls_with_its_weight(
    models: ModuleType, without_downloads: nn.Sequential, words: str, weight: float
) -> None:
    model = created(models, *words.split())
    if model.criterionPerceptual is not None:  # of VGG's five layers a step would take a second
        model.criterionPerceptual = lambda a, b: (a - b).square().mean()
    a, b = batch(1)
    model.set_input({"A": a, "B": b})
    model.optimize_parameters()
    assert ("G_Perceptual" in model.loss_names) == (weight > 0)
    parts = [getattr(model, f"loss_{n}").item() for n in model.loss_names if n.startswith("G")]
    assert model.loss_G.item() == pytest.approx(sum(parts), rel=1e-5)
    if weight:
        distance = (model.fake_B.detach() - b).square().mean().item()
        assert parts[-1] == pytest.approx(weight * distance, rel=1e-5)


def test_checkpoints_load_both_ways(models: ModuleType) -> None:
    model = created(models, "--load_size", "160")
    model.set_input({"A": batch(1)[0], "B": batch(1)[1]})
    for _ in range(2):
        model.optimize_parameters()
    model.save_networks("latest")
    file = model.save_dir / "latest_net_G.pth"
    generator, _ = load_generator(file)
    assert isinstance(generator, WarpUnet)
    assert generator.field_size == 160
    picture = batch(3)[0]
    with restoring(generator):
        wanted = generator(picture)
    there = created(models, is_train=False)
    with torch.no_grad():
        found = there.netG(picture)
    assert (found - picture).abs().max() > 1e-3
    assert (found - wanted).abs().max() < 1e-4
    told = networks_of((file, model.save_dir / "latest_net_D.pth"))
    assert told == {"netG": "warp_unet_128", "ngf": 4, "norm": "batch", "ndf": 4}
    check_fits((file,), SETTINGS)
    # And what was trained here goes on there, at the size that it is trained at now.
    ours = trained_a_little()
    torch.save(ours.state_dict(), file)
    continued = created(models, "--continue_train", "--load_size", "192")
    assert continued.warp.field_size == 192
    weights = dict(continued.warp.named_parameters())
    assert all(torch.equal(weights[name], one) for name, one in ours.named_parameters())


@pytest.mark.parametrize("words", ["--netG resnet_6blocks", "--output_nc 1"])
def test_what_it_cannot_move_is_named(models: ModuleType, words: str) -> None:
    with pytest.raises(ValueError, match="needs --netG unet_128 or unet_256, and an --output_nc"):
        models.create_model(models.parse(*words.split()))


def test_the_exported_command_trains_it_there(tmp_path: Path) -> None:
    """By a shell, as printed; what it leaves is restored by here."""
    copy = copy_of_pix2pix(tmp_path / "my copy")
    pairs = tmp_path / "my pairs" / "train"
    pairs.mkdir(parents=True)
    both = np.random.default_rng(0).integers(0, 256, (128, 256, 3), dtype=np.uint8)
    for number in range(2):
        Image.fromarray(both).save(pairs / f"{number}.png")
    study = make_study(12, warm_start="none", warm_start_folder=None)
    data = study.user_attrs["data"] | {"folder": str(pairs.parent), "n_train": 2}
    moving = {"netG": "warp_unet_128", "ngf": 4, "ndf": 4, "steps": 3}
    study.set_user_attr("data", data)
    study.set_user_attr("train", study.user_attrs["train"] | moving)
    repository = {"folder": str(copy), "python": sys.executable, "options": SHARED}
    with pytest.raises(ValueError, match=r"--model pix2pix_warp.*harness export --format plugin"):
        best_config(study, 0, {**repository, "models": ["pix2pix"]})
    write_plugin(copy, force=False)
    config = best_config(study, 0, {**repository, "models": ["pix2pix", "pix2pix_warp"]})
    assert not any("this program" in need for need in config["needs"])
    for key, size, trunk in (("command", 128, "128"), ("full_command", 1024, "256")):
        assert "--model pix2pix_warp" in config[key]
        assert f"--netG unet_{trunk}" in config[key]  # in full the guide's, as where it repaints
        assert f"--load_size {size}" in config[key]
    study.set_user_attr("pinned", {"netG": "warp_unet_128"})
    own = {**repository, "models": ["pix2pix_warp"]}
    assert "--netG unet_128" in best_config(study, 0, own)["full_command"]
    subprocess.run(["bash", "-euc", config["command"]], cwd=tmp_path, check=True)
    (file,) = (copy / "checkpoints").glob("*/latest_net_G.pth")
    generator, _ = load_generator(file)
    assert isinstance(generator, WarpUnet)
    assert generator.field_size == 128
    head = generator.get_submodule("model.model.3")
    assert all(weight.abs().sum() > 0 for weight in head.parameters())


def run(*words: object) -> Result:
    app = typer.Typer()
    app.command()(export)
    return CliRunner().invoke(app, ["--format", "plugin", *map(str, words)])


def refused(result: Result) -> str:
    assert isinstance(result.exception, UserInputError)
    assert result.exception.exit_code == 2
    assert "\n" not in str(result.exception)
    return str(result.exception)


def test_export_writes_both_files_and_may_be_repeated(tmp_path: Path) -> None:
    copy = copy_of_pix2pix(tmp_path / "my pix2pix")
    written = [copy / "models" / name for name in (WARP, PERCEPTUAL)]
    done = run("--repo", copy)
    assert done.exit_code == 0, done.exception
    assert done.stdout.splitlines() == list(map(str, written))
    for file in written:
        assert file.read_bytes() == (SOURCES / file.name).read_bytes()
    assert done.stderr.endswith(f":\n  harness export --format command --repo '{copy}'\n")
    again = run("--repo", copy, "--run-dir", "elsewhere")
    assert again.stdout == done.stdout
    assert again.stderr.endswith(" --run-dir elsewhere\n")
    written[0].unlink()  # the exported commands look for the other one only
    assert run("--repo", copy).exit_code == 0
    written[1].write_text(f"# an earlier version of what {MARK} writes\n")
    assert f"{written[1]} is there already" in refused(run("--repo", copy))


@pytest.mark.parametrize("name", [WARP, PERCEPTUAL])
def test_a_file_that_is_there_is_replaced_only_by_force(tmp_path: Path, name: str) -> None:
    copy = copy_of_pix2pix(tmp_path / "pix2pix")
    there = copy / "models" / name
    there.write_text(f"# an earlier version of what {MARK} writes\n")
    before = sorted((copy / "models").iterdir())
    assert "replace it with --force" in refused(run("--repo", copy))
    assert there.read_text().startswith("# an earlier version")
    assert sorted((copy / "models").iterdir()) == before
    assert run("--repo", copy, "--force").exit_code == 0
    assert there.read_bytes() == (SOURCES / name).read_bytes()


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_the_guide_s_own_file_stays(tmp_path: Path, force: tuple[str, ...]) -> None:
    copy = copy_of_pix2pix(tmp_path / "pix2pix")
    own = copy / "models" / PERCEPTUAL
    own.write_text("class Pix2PixWithPerceptualModel: ...\n")
    done = run("--repo", copy, *force)
    assert done.exit_code == 0, done.exception
    assert done.stdout.splitlines() == [str(copy / "models" / WARP)]
    assert f"{own} is your own and stays as it is" in done.stderr
    assert own.read_text() == "class Pix2PixWithPerceptualModel: ...\n"


@pytest.mark.parametrize("name", ["train.py", "models/networks.py", "models/base_model.py"])
def test_another_folder_is_no_copy(tmp_path: Path, name: str) -> None:
    copy = copy_of_pix2pix(tmp_path / "other")
    (copy / name).unlink()
    assert f"since it has no {name}" in refused(run("--repo", copy))
    assert not (copy / "models" / WARP).exists()
    file = tmp_path / "program.yaml"
    file.touch()
    assert "is not a copy of" in refused(run("--repo", file))


def test_words_that_do_not_belong_together(tmp_path: Path) -> None:
    copy = copy_of_pix2pix(tmp_path / "pix2pix")
    assert "name it with --repo DIR" in refused(run())
    assert "--trial has no meaning" in refused(run("--repo", copy, "--trial", 3))
    assert "--out has no meaning" in refused(run("--repo", copy, "-o", tmp_path / "x"))
    assert "--force replaces model files" in refused(run("--format", "yaml", "--force"))
    assert not (copy / "models" / WARP).exists()
