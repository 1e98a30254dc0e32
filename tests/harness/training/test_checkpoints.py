"""A checkpoint is loaded however it was wrapped, or refused as what it is."""

import os
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from harness.config.settings import SearchConfig
from harness.errors import DivergedError, NonFiniteWeightsError, UserInputError
from harness.evaluation.restore import load_generator, restore_pictures
from harness.full_training.train import train_fully
from harness.search.plan import plan_search
from harness.training.checkpoints import load_weights, read_checkpoint
from harness.training.init_from import check_fits, networks_of
from harness.training.networks import build_discriminator, build_generator
from harness.trials.external.external_trial import load_generator as load_external
from harness.trials.external.process import try_load
from tests.golden.pix2pix_case import SETTINGS
from tests.harness.full_training.helpers import RecordingView, make_config
from tests.harness.portraits import write_best

State = Mapping[str, Any]
RESNET = SETTINGS.model_copy(update={"netG": "resnet_6blocks", "ngf": 2, "ndf": 2})


@pytest.fixture(scope="module")
def generator() -> dict[str, Tensor]:
    return build_generator(RESNET, seed=1).state_dict()


@pytest.fixture(scope="module")
def discriminator() -> dict[str, Tensor]:
    return build_discriminator(RESNET, 2, seed=1).state_dict()


def saved(folder: Path, content: Any, name: str = "net.pth") -> Path:
    torch.save(content, folder / name)
    return folder / name


def prefixed(prefix: str) -> Callable[[State], State]:
    return lambda state: {prefix + name: value for name, value in state.items()}


WRAPPED: dict[str, Callable[[State], Any]] = {
    "bare": dict,
    "DataParallel": prefixed("module."),
    "compiled": prefixed("_orig_mod."),
    "a compiled one in DataParallel": prefixed("module._orig_mod.module."),
    "a compiled part": lambda state: {
        name.replace("model.", "model._orig_mod.", 1): value for name, value in state.items()
    },
    "averaged": lambda state: {"n_averaged": torch.tensor(3), **prefixed("module.")(state)},
    "state_dict": lambda state: {"state_dict": state, "epoch": 3, "loss": 0.5},
    "model, wrapped": lambda state: {"model": prefixed("_orig_mod.")(state), "optimizer": {}},
    "netG in a checkpoint": lambda state: {"checkpoint": 1, "state_dict": {"netG": state}},
    "without counts of batches, as of old": lambda state: {
        name: value for name, value in state.items() if not name.endswith("batches_tracked")
    },
    "half precision": lambda state: {name: value.half() for name, value in state.items()},
}


@pytest.mark.parametrize("case", WRAPPED)
def test_a_wrapped_or_nested_generator_is_the_same_generator(
    case: str, generator: dict[str, Tensor], tmp_path: Path
) -> None:
    file = saved(tmp_path, WRAPPED[case](generator))
    trained_on = build_generator(RESNET, seed=2)
    load_weights(trained_on, read_checkpoint(file), file, RESNET)
    for net in (load_generator(file)[0], trained_on):
        for name, value in net.state_dict().items():
            expected = generator[name].half() if case == "half precision" else generator[name]
            assert torch.equal(value, expected.to(value.dtype)), name


def test_what_a_file_tells_of_its_networks_and_what_it_cannot(
    discriminator: dict[str, Tensor], tmp_path: Path
) -> None:
    """A U-Net has dropout or not, which its weights do not show: the settings' holds."""
    unet = SETTINGS.updated({"ngf": 3, "norm": "instance"})
    files = (saved(tmp_path, build_generator(unet, 0).state_dict()),)
    assert networks_of(files) == {"netG": "unet_128", "ngf": 3, "norm": "instance"}
    files = (*files, saved(tmp_path, discriminator, "net_D.pth"))
    assert networks_of(files)["ndf"] == 2


def test_the_wrappers_are_those_that_torch_makes() -> None:
    net = nn.Sequential(nn.Linear(1, 1))
    assert all(name.startswith("_orig_mod.") for name in torch.compile(net).state_dict())
    assert "module.0.weight" in nn.DataParallel(net).state_dict()
    assert set(AveragedModel(net).state_dict()) == {
        "n_averaged",
        "module.0.weight",
        "module.0.bias",
    }


@pytest.mark.parametrize("nest", ["{}", "module.{}"])
def test_of_a_file_with_both_networks_each_is_found(
    nest: str, generator: dict[str, Tensor], discriminator: dict[str, Tensor], tmp_path: Path
) -> None:
    apart = {"netD": discriminator, "netG": generator}
    flat = {
        nest.format(f"{part}.{name}"): value
        for part, state in (("generator", generator), ("discriminator", discriminator))
        for name, value in state.items()
    }
    for content in (apart, {"state_dict": flat, "epoch": 1}):
        file = saved(tmp_path, content)
        assert read_checkpoint(file).keys() == generator.keys()
        assert read_checkpoint(file, "D").keys() == discriminator.keys()
        check_fits((file, file), RESNET)
        check_fits((file, file), RESNET, n_layers_D=2)
        with pytest.raises(UserInputError, match=r"does not fit .*ndf 2"):
            check_fits((file, file), RESNET, n_layers_D=3)


def lfs(file: Path) -> None:
    file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 217\n")


def cut(file: Path) -> None:
    torch.save({"weight": torch.zeros(1 << 16)}, file)
    os.truncate(file, 100_000)


def deflate(file: Path) -> None:
    torch.save({"a": torch.zeros(1 << 20)}, file)
    with zipfile.ZipFile(file) as stored:
        entries = {name: stored.read(name) for name in stored.namelist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in entries.items():
            packed.writestr(name, content)


def nothing(file: Path) -> None:
    pass


# Pickle's own words for os.system("true").
RUNS_A_PROGRAM = b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R."

REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (nothing, "there is no such file"),
    "a folder": (Path.mkdir, "it is a folder"),
    "a pipe": (os.mkfifo, "it is not a regular file"),
    "empty": (Path.touch, "it is empty"),
    "an LFS pointer": (lfs, "Git LFS pointer"),
    "a web page": (lambda file: file.write_text("\n<!DOCTYPE html><p>Sign in"), "web page"),
    "a picture": (lambda file: file.write_bytes(b"\x89PNG\r\n\x1a\n" * 9), "not a PyTorch file"),
    "cut off": (cut, "damaged or incomplete"),
    "a bomb": (deflate, "unpacks to 0.0 GB, more than 10 times its size"),
    "a whole network": (lambda file: torch.save(nn.Linear(1, 1), file), "Python objects"),
    "a program": (lambda file: file.write_bytes(RUNS_A_PROGRAM), "Python objects"),
    "a tensor": (lambda file: torch.save(torch.zeros(3), file), "holds no state_dict"),
    "an optimizer": (
        lambda file: torch.save({"state": {}, "param_groups": []}, file),
        "not a state_dict, since state is not a tensor",
    ),
    "a number without a name": (
        lambda file: torch.save({"": 3}, file),
        "not a state_dict, since  is not a tensor",
    ),
    "one network twice": (
        lambda file: torch.save({"module.a": torch.zeros(1), "a": torch.ones(1)}, file),
        "holds a twice",
    ),
    "a sparse tensor": (
        lambda file: torch.save({"a": torch.eye(3).to_sparse()}, file),
        "a is not a plain tensor of numbers",
    ),
    "a complex tensor": (
        lambda file: torch.save({"a": torch.zeros(3, dtype=torch.complex64)}, file),
        "a is not a plain tensor of numbers",
    ),
    "a tensor of no device": (
        lambda file: torch.save({"a": torch.zeros(3, device="meta")}, file),
        "a is not a plain tensor of numbers",
    ),
    "four bytes for four terabytes": (
        lambda file: torch.save({"a": torch.zeros(1).expand(1 << 40)}, file),
        "a is not a plain tensor of numbers",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.filterwarnings("ignore:.*sparse:UserWarning")
def test_what_is_no_checkpoint_is_named_for_what_it_is(case: str, tmp_path: Path) -> None:
    make, reason = REFUSED[case]
    file = tmp_path / "latest_net_G.pth"
    make(file)
    with (
        warnings.catch_warnings(action="error"),  # torch's belong to no sentence of ours
        pytest.raises(UserInputError, match=re.escape(reason)) as refusal,
    ):
        read_checkpoint(file)
    assert str(refusal.value).startswith(str(file))
    assert "\n" not in str(refusal.value)


def test_a_shape_that_the_file_does_not_fill_allocates_nothing(
    generator: dict[str, Tensor], tmp_path: Path
) -> None:
    """A first layer of a million filters stands for a network of terabytes."""
    forged = {**generator, "model.1.weight": torch.zeros(1_000_000, 3, 7, 7)}
    with pytest.raises(UserInputError, match=r"model\.1\.weight|ngf 1000000"):
        load_generator(saved(tmp_path, forged))


@pytest.mark.parametrize("channels", [1, 4])
def test_a_generator_of_other_pictures_than_in_colour_is_refused(
    channels: int, generator: dict[str, Tensor], tmp_path: Path
) -> None:
    grey = {**generator, "model.1.weight": torch.zeros(2, channels, 7, 7)}
    with pytest.raises(UserInputError, match=f"takes pictures of {channels} channels; here they"):
        load_generator(saved(tmp_path, grey))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e300])
def test_the_first_tensor_that_is_not_finite_is_named(
    value: float, generator: dict[str, Tensor], tmp_path: Path
) -> None:
    """1e300 is finite in the file, and infinite in a float32 network."""
    names = [name for name, held in generator.items() if held.dim() == 4]
    broken = {name: held.double() for name, held in generator.items()}
    for name in names[2:4]:
        broken[name] = broken[name].clone()
        broken[name].flatten()[7] = value
    with pytest.raises(
        NonFiniteWeightsError, match=f"not finite.* first in {re.escape(names[2])}:"
    ):
        read_checkpoint(saved(tmp_path, {"state_dict": broken}))


class TestNonFiniteWeightsAreRefusedByEveryReader:
    @pytest.fixture
    def file(self, generator: dict[str, Tensor], tmp_path: Path) -> Path:
        broken = {name: value.clone() for name, value in generator.items()}
        broken["model.1.weight"][0, 0, 0, 0] = float("nan")
        return saved(tmp_path, broken, "latest_net_G.pth")

    def test_restore(self, file: Path, tmp_path: Path) -> None:
        Image.new("RGB", (32, 32)).save(tmp_path / "p.png")
        with pytest.raises(NonFiniteWeightsError, match=r"model\.1\.weight"):
            list(restore_pictures(file, [tmp_path / "p.png"], tmp_path / "out", "cpu"))
        assert not (tmp_path / "out").exists()

    def test_search_and_its_dry_run(self, file: Path, tmp_path: Path) -> None:
        config = SearchConfig(
            init_from=(file,), run_dir=tmp_path / "runs", profile="quick", device="cpu"
        )
        with pytest.raises(NonFiniteWeightsError, match=r"model\.1\.weight"):
            plan_search(config)
        assert not (tmp_path / "runs").exists()

    def test_train(self, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TRAIN_TEST_RUNS", str(tmp_path / "runs"))
        write_best(tmp_path / "best.yaml", train={"netG": "resnet_6blocks", "ngf": 2, "ndf": 2})
        with pytest.raises(NonFiniteWeightsError, match=r"model\.1\.weight"):
            train_fully(make_config(tmp_path, tmp_path, init_from=[file]), RecordingView())
        assert not (tmp_path / "out").exists()

    def test_a_program_of_the_user_s_has_then_diverged(self, file: Path) -> None:
        with pytest.raises(DivergedError, match=r"model\.1\.weight"):
            try_load(file, lambda result: load_external(result, RESNET, "cpu"))
