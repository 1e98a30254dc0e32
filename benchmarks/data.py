"""How fast pairs are checked and made, in how much memory, and which crops are known again.

    python -m benchmarks.data    # 5 minutes on two quiet cores; results/data.json

Makes pairs from photographs inside scikit-image, perturbs them to the given number of files in a
temporary folder, and checks a tenth of them and all of them, each in a fresh process, so that the
peaks of memory can be compared. Makes pairs beside the plain scikit-image way of doing so, and
measures what the warp alone takes of fine detail. Looks for crops of every photograph, and for
photographs taken for crops of each other.
"""

import argparse
import io
import itertools
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.transform import resize, warp

from benchmarks.scaffold import peak_mib, write_result
from harness.data.check.check import check
from harness.data.check.facts import PairFacts, Unreadable, measure
from harness.data.files.duplicates import same_picture_groups, signature
from harness.data.files.overlapping_crops import FEWEST_ALIKE
from harness.data.files.pair_folders import PairFiles, PairFolder, Split, find_pairs
from harness.data.files.picture_reading import Picture, read_picture
from harness.data.files.processes import parallel_map, processes_for
from harness.data.files.scikit_image import scikit_image_file
from harness.data.synthesis.face_detection import find_face
from harness.data.synthesis.liquify import (
    Field,
    Stroke,
    displacement,
    inverse_displacement,
    resample,
)
from harness.data.synthesis.make_pairs import MakePlan, make_one, make_pairs
from harness.data.synthesis.retouch import middle_face, slim_jaw

# Colour photographs that are large or sharp enough to be enlarged without looking made up.
SOURCES = ("astronaut.png", "retina.jpg", "hubble_deep_field.jpg", "motorcycle_left.png")
DISTINCT = 32
PHOTOGRAPHS = (
    *("astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "coffee.png"),
    *("coins.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png"),
    *("motorcycle_left.png", "page.png", "retina.jpg", "rocket.jpg", "text.png"),
)
SHARES = (0.9, 0.75, 0.6, 0.5, 0.4)
CROPS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--size", type=int, default=1024)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        facts = {
            "size": asked.size,
            "make": making(root, asked.size),
            "warp": warp_loss(),
            "check": checking(root, asked.pairs),
            "crops": crops(),
        }
    write_result("data", facts)


# -- making ---------------------------------------------------------------------------------


def making(root: Path, size: int) -> dict[str, float]:
    """Pairs a second, whole: ours on all processors and on one, and the plain way on one."""
    originals = root / "originals"
    originals.mkdir()
    for name in SOURCES:
        picture = Image.open(scikit_image_file(name)).convert("RGB")
        scale = max(1.0, 1.5 * size / min(picture.size))
        larger = (round(picture.width * scale), round(picture.height * scale))
        picture.resize(larger, Image.Resampling.LANCZOS).save(originals / f"{Path(name).stem}.png")
    plan = MakePlan(root / "made", size, 0)
    began = time.perf_counter()
    make_pairs(originals, DISTINCT, plan, processes_for(DISTINCT))
    all_processors = time.perf_counter() - began
    one = root / "one"
    (one / "fields").mkdir(parents=True)
    files = sorted(originals.iterdir())
    began = time.perf_counter()
    for number, file in enumerate(files):
        make_one((file, file.name, file.name, "train", number, plan, one))
    ours = time.perf_counter() - began
    began = time.perf_counter()
    for file in files:
        plain_pair(read_picture(file), size, root / "plain")
    plain = time.perf_counter() - began
    return {
        "pairs": DISTINCT,
        "per_second": round(DISTINCT / all_processors, 3),
        "per_second_one_process": round(len(files) / ours, 3),
        "per_second_plain_scikit_image": round(len(files) / plain, 3),
    }


def plain_pair(picture: Picture, size: int, file: Path) -> None:
    """The same files by scikit-image's own functions: resize, and a quintic `warp`."""
    find_face(picture)
    side = min(picture.shape[:2])
    original = resize(picture[:side, :side], (size, size), order=3, anti_aliasing=True)
    strokes = slim_jaw(middle_face(size), np.random.default_rng(0))
    field = displacement(strokes, size, size)
    rows, columns = np.mgrid[:size, :size]
    grid = np.stack([rows + field[1], columns + field[0]])
    retouched = np.stack(
        [warp(original[:, :, channel], grid, order=5, mode="reflect") for channel in range(3)],
        axis=2,
    )
    both = np.clip(np.hstack([retouched, original]) * 255 + 0.5, 0, 255).astype(np.uint8)
    Image.fromarray(both).save(file.with_suffix(".png"))
    inverse = inverse_displacement(strokes, size, size)
    np.savez_compressed(file.with_suffix(".npz"), field=field, inverse=inverse)
    mask = (np.hypot(*field) > 0.001 * size).astype(np.uint8) * 255
    Image.fromarray(mask).save(file.with_name("mask.png"))


def warp_loss(side: int = 256) -> dict[str, float]:
    """Of a texture that reaches up to 70% of Nyquist, the share of contrast that a push and its
    inverse lose together: by our resampling, and by bilinear."""
    random = np.random.default_rng(1)
    spectrum = np.fft.rfft2(random.normal(size=(side, side)))
    spectrum[np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)) > 0.35] = 0
    texture = np.fft.irfft2(spectrum, s=(side, side))
    grey = np.clip(128 + 40 * texture / texture.std(), 0, 255).astype(np.uint8)
    picture = np.repeat(grey[:, :, None], 3, 2)
    strokes = [Stroke((side / 2, side / 2), (0.43 * side,) * 2, push=(0.037 * side, 0.018 * side))]
    there, back = (move(strokes, side, side) for move in (displacement, inverse_displacement))
    middle = np.s_[side // 4 : 3 * side // 4, side // 4 : 3 * side // 4, 0]

    def bilinear(source: Picture, field: Field) -> Picture:
        grid = np.mgrid[:side, :side] + field[::-1]
        moved = warp(source[:, :, 0], grid, order=1, preserve_range=True)
        return np.repeat(np.rint(moved).astype(np.uint8)[:, :, None], 3, 2)

    contrast = float(picture[middle].std())
    losses = {}
    for name, by in (("ours", resample), ("bilinear", bilinear)):
        error = by(by(picture, there), back)[middle].astype(float) - picture[middle]
        losses[name] = round(float(np.sqrt(np.square(error).mean())) / contrast, 4)
    return losses


# -- checking -------------------------------------------------------------------------------


def checking(root: Path, pairs: int) -> list[dict[str, float]]:
    """One pass over a tenth of `pairs`, and over all."""
    many = root / "many" / "train"
    many.mkdir(parents=True)
    distinct = [read_picture(file) for file in sorted((root / "made").glob("*/*.png"))]
    random = np.random.default_rng(0)
    for number in range(pairs):
        save_perturbed(distinct[number % len(distinct)], random, many / f"{number:06d}.jpg")
    rows = []
    for count in (max(1, pairs // 10), pairs):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
            rows.append(fresh.submit(one_pass, many.parent, count).result())
    return rows


def save_perturbed(pair: Picture, random: np.random.Generator, file: Path) -> None:
    """Both halves rolled and toned alike, so that no two files are the same."""
    half = pair.shape[1] // 2
    down, right = (int(step) for step in random.integers(0, half, 2))
    tone = random.uniform(0.8, 1.0)
    halves = [np.roll(part, (down, right), (0, 1)) for part in (pair[:, :half], pair[:, half:])]
    Image.fromarray((np.hstack(halves) * tone).astype(np.uint8)).save(file, quality=92)


def one_pass(folder: Path, count: int) -> dict[str, float]:
    """Check the first `count` pairs; called in a process of its own."""
    found = find_pairs(folder)
    files = found.splits["train"][:count]
    part = PairFolder(found.root, found.layout, {"train": files})
    largest = 0.0

    def facts() -> Iterator[PairFacts | Unreadable]:
        nonlocal largest
        entries = ((pair, "train", found.root) for pair in files)
        for fact, peak in parallel_map(measured, entries, processes_for(count)):
            largest = max(largest, peak)
            yield fact

    began, busy = time.perf_counter(), processor_seconds()
    result = check(part, facts(), "AtoB")
    seconds = time.perf_counter() - began
    if len(result.pairs) != count:
        raise RuntimeError(f"{len(result.pairs)} of {count} pairs were read")
    return {
        "pairs": count,
        "seconds": round(seconds, 1),
        "per_second": round(count / seconds, 2),
        "processors_busy": round((processor_seconds() - busy) / seconds, 2),
        "peak_mib_main": peak_mib(),
        "peak_mib_largest_worker": largest,
    }


def measured(entry: tuple[PairFiles, Split, Path]) -> tuple[PairFacts | Unreadable, float]:
    """What `harness data check` does to a pair, and its process's peak of memory so far."""
    return measure(entry), peak_mib()


def processor_seconds() -> float:
    """Of this process and of those of its own that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


# -- crops ----------------------------------------------------------------------------------


def crops() -> dict[str, object]:
    """How many crops are put with their photograph, by the share of its short side that they
    show; and how many pairs of different photographs are put together."""
    pictures = [read_picture(scikit_image_file(name)) for name in PHOTOGRAPHS]
    known = [signature(picture, picture) for picture in pictures]
    random = np.random.default_rng(0)
    found = {}
    for share in SHARES:
        hits = 0
        for picture, whole in zip(pictures, known, strict=True):
            for _ in range(CROPS):
                part = cropped(picture, share, random)
                hits += len(same_picture_groups([whole, signature(part, part)])) == 1
        found[str(share)] = round(hits / (CROPS * len(pictures)), 3)
    together = sum(
        len(same_picture_groups([one, other])) == 1
        for one, other in itertools.combinations(known, 2)
    )
    return {
        "photographs": len(pictures),
        "landmarks_that_must_agree": FEWEST_ALIKE,
        "crops_of_each_photograph": CROPS,
        "found_by_share_of_the_side": found,
        "pairs_of_different_photographs": len(pictures) * (len(pictures) - 1) // 2,
        "of_which_taken_for_one_picture": together,
    }


def cropped(picture: Picture, share: float, random: np.random.Generator) -> Picture:
    """A square of so much of the short side, scaled to 80% and saved as JPEG of quality 80."""
    side = int(share * min(picture.shape[:2]))
    top, left = (int(random.integers(0, length - side + 1)) for length in picture.shape[:2])
    part = Image.fromarray(picture[top : top + side, left : left + side])
    buffer = io.BytesIO()
    part.resize((round(0.8 * side),) * 2, Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=80)
    return np.array(Image.open(buffer))


if __name__ == "__main__":
    main()
