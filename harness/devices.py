"""Which device trains."""

from harness.errors import UserInputError


def resolve_device(wanted: str) -> str:
    """A torch device for `--device auto|cpu|cuda|cuda:N`.

    Raises:
        UserInputError: CUDA is asked for where there is none, or the word is not a device.
    """
    import torch

    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        return "cuda:0" if there else "cpu"
    if wanted == "cpu":
        return "cpu"
    kind, _, index = wanted.partition(":")
    if kind != "cuda" or not (index.isdecimal() or wanted == "cuda"):
        raise UserInputError(f"--device {wanted} is no device: use auto, cpu, cuda or cuda:N.")
    number = int(index or 0)
    if number >= there:
        raise UserInputError(
            f"--device {wanted}: PyTorch sees {there} CUDA device(s) here; use --device cpu, or "
            "install a CUDA build of PyTorch with its driver."
        )
    return f"cuda:{number}"
