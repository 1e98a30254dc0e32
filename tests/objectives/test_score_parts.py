"""The parts of the score compared with reference libraries, and the masks."""

from collections.abc import Callable
from email.message import Message
from http.client import BadStatusLine
from io import BytesIO
from pathlib import Path
from urllib.request import Request
from urllib.response import addinfourl

import lpips
import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation, gaussian_filter, laplace
from skimage.color import deltaE_ciede2000, rgb2lab

from objectives.guards import ciede2000, to_lab
from objectives.laplacian import LocalVariance, gaussian_blur, laplacians, noise_response
from objectives.lpips import TRUNKS, LpipsNetwork, LpipsTarget
from objectives.masks import (
    dilate,
    erode,
    moved_region,
    region_by_difference,
    region_from_field,
    region_from_pair,
    ring,
)
from objectives.score import Reference
from objectives.weights import build_trunk, resolve_weights


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("net", ["alex", "squeeze", pytest.param("vgg", marks=pytest.mark.slow)])
def test_lpips_agrees_with_the_package(net: str) -> None:
    ours = LpipsNetwork(net, "random")  # type: ignore[arg-type]
    package = lpips.LPIPS(net=net, pnet_rand=True, spatial=True, verbose=False)
    theirs = list(package.net.children())
    for part, other in zip(ours.slices, theirs, strict=True):
        other.load_state_dict(
            dict(zip(other.state_dict(), part.state_dict().values(), strict=True))
        )
    a, b = drawn(2, 3, 80, 96), drawn(2, 3, 80, 96, seed=1)
    mask = drawn(2, 1, 80, 96, seed=2) > 0.7
    whole = torch.ones_like(mask)
    found = LpipsTarget.of(ours, b, whole, {"mask": mask, "whole": whole})(a)
    with torch.no_grad():
        spatial = package(a, b, normalize=True)
    torch.testing.assert_close(found["whole"], spatial.mean((1, 2, 3)), rtol=1e-4, atol=1e-6)
    expected = (spatial * mask).sum((1, 2, 3)) / mask.sum((1, 2, 3))
    torch.testing.assert_close(found["mask"], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("net", ["alex", "squeeze", "vgg"])
@pytest.mark.parametrize(
    ("height", "width", "rows", "columns"),
    [
        (67, 90, slice(20, 32), slice(41, 55)),
        (67, 90, slice(0, 9), slice(70, 90)),
        (40, 40, slice(0, 40), slice(39, 40)),
    ],
)
def test_features_outside_the_rectangles_need_not_be_computed(
    networks: dict[str, LpipsNetwork],
    net: str,
    height: int,
    width: int,
    rows: slice,
    columns: slice,
) -> None:
    """Rectangles of features give the values of whole pictures, also at borders and odd sizes."""
    network = networks[net]
    a, b = drawn(2, 3, height, width), drawn(2, 3, height, width, seed=1)
    mask = torch.zeros(2, 1, height, width, dtype=torch.bool)
    mask[..., rows, columns] = drawn(2, 1, height, width, seed=2)[..., rows, columns] > 0.2
    beside = torch.zeros_like(mask)
    beside[..., 10:30, 10:34] = True
    whole = torch.ones_like(mask)
    masks = {"mask": mask, "beside": beside}
    prepared = LpipsTarget.of(network, b, mask, masks)
    found = prepared(a)
    expected = LpipsTarget.of(network, b, whole, masks)(torch.where(mask, a, b))
    for name in masks:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-7)
    assert all(float(value.max()) == 0 for value in prepared(b).values())
    if rows.stop - rows.start < height / 2:
        assert prepared.features[0].shape[-2] < network(b)[0].shape[-2] * 0.75


@pytest.fixture(scope="module")
def networks() -> dict[str, LpipsNetwork]:
    return {net: LpipsNetwork(net, "random") for net in TRUNKS}  # type: ignore[arg-type]


def test_too_small_pictures_are_refused_by_lpips() -> None:
    small = drawn(1, 3, 24, 24)
    with pytest.raises(ValueError, match="at least 31 pixels"):
        LpipsTarget.of(LpipsNetwork("alex", "random"), small, small > 1, {})


@pytest.mark.parametrize("net", TRUNKS)
def test_pictures_are_refused_only_where_the_network_has_no_output(
    networks: dict[str, LpipsNetwork], net: str
) -> None:
    network = networks[net]
    assert network(drawn(1, 3, network.min_side, network.min_side))
    with pytest.raises(RuntimeError, match=r"too small|greater than actual input size"):
        network(drawn(1, 3, network.min_side - 1, network.min_side - 1))


def test_ciede2000_and_lab_agree_with_scikit_image() -> None:
    a, b = drawn(4000, 3), drawn(4000, 3, seed=1)
    lab_a, lab_b = rgb2lab(a.numpy()), rgb2lab(b.numpy())
    np.testing.assert_allclose(to_lab(a).numpy(), lab_a, atol=0.02)
    expected = deltaE_ciede2000(lab_a, lab_b)
    np.testing.assert_allclose(ciede2000(to_lab(a), to_lab(b)).numpy(), expected, atol=0.1)


def test_ciede2000_golden_values_of_sharma() -> None:
    """Pairs 1, 4, 7 and 25 of the paper's test data: blue, near grey, hue wrap, dark."""
    pairs = torch.tensor(
        [
            [[50.0, 2.6772, -79.7751], [50.0, 0.0, -82.7485]],
            [[50.0, -1.3802, -84.2814], [50.0, 0.0, -82.7485]],
            [[50.0, 0.0, 0.0], [50.0, -1.0, 2.0]],
            [[60.2574, -34.0099, 36.2677], [60.4626, -34.1751, 39.4387]],
        ],
        dtype=torch.float64,
    )
    found = ciede2000(pairs[:, 0], pairs[:, 1])
    np.testing.assert_allclose(found.numpy(), [2.0425, 1.0000, 2.3669, 1.2644], atol=1e-4)


def test_laplacians_agree_with_scipy() -> None:
    y = drawn(1, 1, 48, 60)
    plain = y[0, 0].numpy().astype(np.float64)
    expected = [
        laplace(plain, mode="mirror"),
        laplace(gaussian_filter(plain, 1, mode="mirror", radius=3), mode="mirror"),
        4 * laplace(gaussian_filter(plain, 2, mode="mirror", radius=6), mode="mirror"),
    ]
    np.testing.assert_allclose(laplacians(y)[0].numpy(), np.stack(expected), atol=2e-5)


def test_noise_response_is_the_variance_of_filtered_noise() -> None:
    noise = torch.randn(1, 1, 400, 400, generator=torch.Generator().manual_seed(0))
    measured = laplacians(noise).var((0, 2, 3))
    for scale, variance in enumerate(measured.tolist()):
        assert noise_response(scale) == pytest.approx(variance, rel=0.05)


def test_local_variance_ignores_pixels_outside_the_mask() -> None:
    mask = torch.zeros(1, 1, 64, 64, dtype=torch.bool)
    mask[..., 20:40, 20:40] = True
    maps = drawn(1, 2, 64, 64)
    other = torch.where(mask, maps, 100.0)
    variance = LocalVariance(mask, 2.0)
    torch.testing.assert_close(
        variance(maps)[..., 20:40, 20:40], variance(other)[..., 20:40, 20:40]
    )


def test_gaussian_blur_preserves_constants_and_works_below_its_radius() -> None:
    flat = torch.full((1, 3, 8, 8), 0.3)
    torch.testing.assert_close(gaussian_blur(flat, 5.0), flat)


def test_dilate_is_a_disc_of_two_percent() -> None:
    mask = drawn(2, 1, 150, 200) > 0.998
    disc = np.hypot(*np.mgrid[-3:4, -3:4]) <= 3
    expected = np.stack([binary_dilation(one[0].numpy(), disc) for one in mask])[:, None]
    assert (dilate(mask).numpy() == expected).all()
    assert (dilate(mask[0]).numpy() == expected[0]).all()


def test_ring_is_along_the_edge() -> None:
    mask = torch.zeros(1, 1, 100, 100, dtype=torch.bool)
    mask[..., 30:, 30:70] = True
    rim = ring(mask)
    assert rim[..., 60, 69]
    assert rim[..., 60, 71]
    assert not rim[..., 60, 50]
    assert not rim[..., 99, 50]  # the picture's border does not count as edge
    assert (erode(mask) <= mask).all()


def test_region_from_field_measures_against_the_short_side() -> None:
    field = torch.zeros(2, 100, 300)
    field[:, 10, 10] = 0.08
    field[0, 20, 20] = 0.09
    region = region_from_field(field)
    assert region.shape == (1, 100, 300)
    assert region.nonzero().tolist() == [[0, 10, 10]]


def test_flow_finds_the_region_through_noise_and_a_change_of_tone(reference: Reference) -> None:
    assert reference.inputs is not None
    retouched, originals, truth = reference.inputs[:3], reference.targets[:3], reference.masks[:3]
    changed = (retouched * 0.9 + 0.04 + 0.01 * (drawn(*retouched.shape) - 0.5)).clamp(0, 1)
    by_flow = overlap(region_from_pair(changed, originals), truth)
    assert (by_flow > 0.6).all()
    assert by_flow.mean() > overlap(region_by_difference(changed, originals), truth).mean()


def overlap(found: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    a, b = dilate(found), dilate(truth)
    return (a & b).sum((1, 2, 3)) / (a | b).sum((1, 2, 3))


def test_parts_of_a_region_are_dropped_under_a_two_thousandth_of_the_area(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    still = np.zeros((100, 200), np.float32)
    flow = np.zeros((2, 100, 200), np.float32)
    flow[1, 20:23, 150:153] = 5.0  # 9 of 20,000 pixels
    flow[0, 60:63, 20:24] = 5.0  # 12
    monkeypatch.setattr("skimage.registration.optical_flow_tvl1", lambda *_: flow)
    assert (moved_region(still, still) == (flow[0] > 0)).all()


def test_equal_pictures_have_no_region() -> None:
    picture = drawn(3, 64, 64)
    assert not region_from_pair(picture, picture).any()
    assert not region_by_difference(picture, picture).any()


def test_random_trunks_are_always_equal_and_do_not_change_the_random_state() -> None:
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    first, second = (build_trunk("squeezenet1_1", "random") for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not a.requires_grad


def test_random_trunks_are_he_normal_and_those_of_every_version() -> None:
    """Scores of a study that goes on are of the same network, whichever version began it."""
    trunk = build_trunk("squeezenet1_1", "random")
    layers = [module for module in trunk.modules() if isinstance(module, torch.nn.Conv2d)]
    first = layers[0].weight.flatten()[:2].tolist()
    assert first == pytest.approx([-0.0663408, -0.0679035], rel=1e-5)
    for layer in layers:
        outputs = layer.out_channels * layer.kernel_size[0] ** 2
        assert float(layer.weight.std()) == pytest.approx((2 / outputs) ** 0.5, rel=0.05)


def test_weights_policy(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("objectives.weights.try_download", lambda arch: False)
    assert resolve_weights("random", ["alexnet"]) == "random"
    assert resolve_weights("auto", ["alexnet", "vgg19"]) == "random"
    with pytest.raises(FileNotFoundError, match=r"alexnet-owt-7be5be79\.pth .*put it into"):
        resolve_weights("pretrained", ["alexnet"])
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "alexnet-owt-7be5be79.pth").write_bytes(b"there")
    assert resolve_weights("pretrained", ["alexnet"]) == "pretrained"
    assert resolve_weights("auto", ["alexnet", "vgg19"]) == "random"


def test_a_proxy_s_answer_is_not_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: Request, timeout: float) -> None:
        assert request.get_method() == "HEAD"
        assert timeout <= 10  # without a network, nobody waits for minutes
        raise BadStatusLine("<html>")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", answer)
    assert resolve_weights("auto", ["alexnet"]) == "random"


def test_what_could_be_downloaded_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []

    def fetch(url: str, file: str, hash_prefix: str, progress: bool) -> None:
        fetched.append((url, hash_prefix, progress))
        Path(file).write_bytes(b"weights")

    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: BytesIO())
    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    for place, found, files in (("~/hub", "random", 0), (str(tmp_path), "pretrained", 1)):
        monkeypatch.setattr(torch.hub, "get_dir", lambda place=place: place)
        assert resolve_weights("auto", ["squeezenet1_1"]) == found  # never into a folder named ~
        assert len(fetched) == files
    assert resolve_weights("pretrained", ["squeezenet1_1"]) == "pretrained"
    url = "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth"
    assert fetched == [(url, "b8a52dc0", False)]


def test_pretrained_weights_are_those_of_the_file(
    plant_weights: Callable[[str, bytes], None],
) -> None:
    """torchvision's, of which the trunk is a part."""
    random, file = build_trunk("squeezenet1_1", "random"), BytesIO()
    held = {f"features.{name}": 2 * value for name, value in random.state_dict().items()}
    torch.save({**held, "classifier.1.bias": torch.zeros(1000)}, file)
    plant_weights("squeezenet1_1", file.getvalue())
    for name, value in build_trunk("squeezenet1_1", "pretrained").state_dict().items():
        assert torch.equal(value, held[f"features.{name}"])


def test_a_download_of_other_content_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login page instead of the file: its digest is not that in the file's name."""

    def answer(*_: object, **__: object) -> addinfourl:
        return addinfourl(BytesIO(b"<html>log in</html>"), Message(), "")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", answer)
    monkeypatch.setattr("torch.hub.urlopen", answer)
    assert resolve_weights("auto", ["alexnet"]) == "random"
    assert not list(tmp_path.rglob("*.pth"))


@pytest.mark.parametrize("content", [b"<html>no such file</html>", b""])
def test_damaged_weights_are_named(
    content: bytes, plant_weights: Callable[[str, bytes], None]
) -> None:
    plant_weights("alexnet", content)
    with pytest.raises(ValueError, match=r"alexnet-owt-7be5be79\.pth are damaged .*: remove"):
        build_trunk("alexnet", "pretrained")
