"""Files that scikit-image contains: photographs, and a face detector."""

from importlib.util import find_spec
from pathlib import Path


def scikit_image_file(name: str) -> Path:
    """The path of a data file inside the installed wheel, without importing scikit-image."""
    spec = find_spec("skimage")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "data" / name
