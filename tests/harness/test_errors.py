"""Which errors are recognised by what the system and PyTorch say of them."""

from pathlib import Path

import pytest
import torch

from harness.errors import HarnessError, disk_full, inline, is_gpu_error, printable, quantity

FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")
@pytest.mark.parametrize("size", [1, 1000])
def test_a_disk_that_is_full_as_pytorch_saves(size: int) -> None:
    with pytest.raises(RuntimeError) as failed:
        torch.save(torch.zeros(size), FULL)
    assert disk_full(failed.value)


@pytest.mark.parametrize(
    ("words", "full"),
    [
        ("[enforce fail at inline_container.cc:603] . unexpected pos 192 vs 86", True),
        ("PytorchStreamWriter failed writing file data/0: file write failed", True),
        ("(sqlite3.OperationalError) database or disk is full", True),
        ("basic_ios::clear: iostream error", True),
        ("unexpected position of the file", False),
    ],
)
def test_a_full_disk_is_recognised_in_what_pytorch_and_sqlite_say(words: str, full: bool) -> None:
    """Also behind another exception that it caused, or that was raised while it was handled."""
    told = RuntimeError(words)
    caused, after = ValueError("not saved"), ValueError("not closed")
    caused.__cause__, after.__context__ = told, told
    assert [disk_full(error) for error in (told, caused, after)] == [full] * 3


def test_a_failure_of_the_driver_is_one_of_the_gpu_unless_another_program_had_it() -> None:
    words = "CUDA driver error: invalid device ordinal"
    assert is_gpu_error(RuntimeError(words))
    assert not is_gpu_error(HarnessError(words))
    assert not is_gpu_error(RuntimeError("CUDA driver error: out of memory"))


def test_no_character_moves_the_cursor_ends_a_line_or_reverses_it() -> None:
    """Nor can one that is half a character stop the output of all others."""
    unsafe = [*range(9), *range(0x0B, 0x20), *range(0x7F, 0xA0), 0x2028, 0x2029]
    unsafe += [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xD800, 0xDCFF, 0xDFFF]
    for each in map(chr, unsafe):
        assert printable(f"a{each}b") == f"a{each.encode('unicode_escape').decode()}b"
    safe = "".join(map(chr, (9, 10, 0x20, 0x7E, 0xA0, 0x2027, 0x202F, 0x2065, 0x206A, 0xE000)))
    assert printable(safe) == safe
    assert inline("a\nb\x1b\n") == "a\\nb\\x1b\\n"


def test_a_count_agrees_with_its_noun() -> None:
    assert [quantity(count, "pair") for count in (0, 1, 2)] == ["0 pairs", "1 pair", "2 pairs"]
