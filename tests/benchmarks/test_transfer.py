"""The benchmark of made pairs: what it trains on, and that no picture is scored by its own."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import transfer
from harness.data.pairs.built_in import middle_face, photograph_file
from harness.data.pairs.pair_set import PairSet
from harness.data.synthesis.liquify import displacement, inverse_displacement
from harness.data.synthesis.retouch import retouch


def test_the_other_sign_is_about_what_undoes_a_retouching() -> None:
    face = middle_face(64)
    for seed in range(10):
        plain = retouch(face, np.random.default_rng(seed))
        drawn = transfer.other_sign(face, np.random.default_rng(seed))
        for ours, other in zip(drawn, plain, strict=True):
            assert ours.push == tuple(-value for value in other.push)
            assert ours.pinch == tuple(-value for value in other.pinch)
        undone = inverse_displacement(plain, 64, 64)
        assert np.corrcoef(displacement(drawn, 64, 64).ravel(), undone.ravel())[0, 1] > 0.8


def test_either_sign_narrows_as_often_as_it_widens() -> None:
    face = middle_face(64)
    drawn = [transfer.either_sign(face, np.random.default_rng(seed)) for seed in range(60)]
    # The first stroke is a push at one side of the jaw.
    narrower = [(s[0].push[0] > 0) == (s[0].centre[0] < face.x) for s in drawn]
    assert 18 < sum(narrower) < 42


def test_made_pairs_are_those_of_the_command(tmp_path: Path) -> None:
    portrait = photograph_file("astronaut.png")
    Image.open(portrait).save(tmp_path / "one.png")
    ours = transfer.made_from(tmp_path, 2, retouch)
    assert len(ours) == 2
    assert ours.masks[0].any()
    assert not (ours.retouched[0] == ours.originals[0]).all()
    wider = transfer.made_from(tmp_path, 2, transfer.other_sign)
    assert (wider.originals[0] == ours.originals[0]).all()


def test_no_pair_is_scored_by_a_training_that_saw_its_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = tuple("abcdef")
    real = PairSet(names, names, names, names)  # type: ignore[arg-type]
    seen: list[tuple[str, ...]] = []

    def trained(pairs: PairSet, steps: int, seed: int, start: object) -> str:
        seen.append(pairs.names)
        return "".join(pairs.names)

    class Scores:
        def of_weights(self, weights: str) -> list[float]:
            return [float(name in weights) for name in names]

    monkeypatch.setattr(transfer, "trained", trained)
    found = transfer.crossed(real, [[0, 3], [1, 4], [2, 5]], 1, 0, None, Scores())  # type: ignore[arg-type]
    assert found == [0.0] * 6
    assert seen == [("b", "c", "e", "f"), ("a", "c", "d", "f"), ("a", "b", "d", "e")]
