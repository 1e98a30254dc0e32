"""Fetch the wheels that a machine without a package index lacks, to be carried there with the code.

    python -m benchmarks.wheels DIR [--python 3.12] [--there FREEZE]

PyTorch and what an image with it usually holds stay out: `HELD`, in whatever version, or what
`python3 -m pip freeze` printed on that machine, if the version suffices. Whatever a fetched wheel
requires is fetched too, each in the version of this environment if it is installed here. Sizes are
printed; more than `--most` MB are refused.
There, with the code:

    python3 -m pip install --no-index --no-deps DIR/*.whl
    python3 -m benchmarks.gpu --out OUT
"""

import argparse
import configparser
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping
from email.parser import HeaderParser
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).parent.parent
HELD = """
aiohappyeyeballs aiohttp aiosignal anyio attrs certifi charset-normalizer cloudpickle contourpy
cycler fonttools frozenlist fsspec h11 hypothesis idna imageio iniconfig jinja2 joblib kiwisolver
lazy-loader markupsafe matplotlib multidict narwhals networkx numpy packaging pandas pillow pluggy
propcache protobuf pyarrow pytest python-dateutil pyyaml requests scikit-image scikit-learn scipy
setuptools six sortedcontainers sympy threadpoolctl tifffile torch torchvision tqdm triton urllib3
yarl zipp
"""
Held = Mapping[str, str]  # by name the version, "" for any
MB = 1e6
PLATFORMS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")


def fetch(folder: Path, python: str, held: Held) -> list[Path]:
    """The wheels of the project's requirements and of theirs, without what is there already.

    A package is fetched again if a wheel that came later narrows its version.
    """
    asked: dict[str, SpecifierSet] = {}
    fetched: dict[str, tuple[SpecifierSet, Path]] = {}
    add(asked, own_requirements(), python)

    def lacks(name: str) -> bool:
        there = held.get(name)
        return there is None or bool(there and not suffices(there, asked[name]))

    def waits(name: str) -> bool:
        return lacks(name) and (name not in fetched or fetched[name][0] != asked[name])

    while waiting := [name for name in asked if waits(name)]:
        for name in waiting:
            if name in fetched:
                fetched[name][1].unlink()
            wheel = download(folder, f"{name}{asked[name] & installed(name)}", python)
            fetched[name] = (asked[name], wheel)
            add(asked, requirements_of(wheel), python)
    return sorted(wheel for _, wheel in fetched.values())


def add(asked: dict[str, SpecifierSet], requirements: Iterable[Requirement], python: str) -> None:
    """Note the versions asked for by those that hold on that machine, without extras."""
    there = {
        **default_environment(),
        "python_version": python,
        "python_full_version": f"{python}.0",
        "platform_machine": "x86_64",
        "extra": "",
    }
    for each in requirements:
        if each.marker is None or each.marker.evaluate(dict(there)):
            name = canonicalize_name(each.name)
            asked[name] = asked.get(name, SpecifierSet()) & each.specifier


def suffices(found: str, needed: SpecifierSet) -> bool:
    """Whether this version, which may be a pre-release, is one of those."""
    return needed.contains(found, prereleases=True)


def installed(name: str) -> SpecifierSet:
    """The version of a package in this environment; any, if it is not installed."""
    try:
        return SpecifierSet(f"=={version(name)}")
    except PackageNotFoundError:
        return SpecifierSet()


def own_requirements() -> list[Requirement]:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    return [
        Requirement(line) for line in settings["options"]["install_requires"].split("\n") if line
    ]


def requirements_of(wheel: Path) -> list[Requirement]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        head = HeaderParser().parsestr(archive.read(name).decode("utf-8"))
    return [Requirement(line) for line in head.get_all("Requires-Dist", [])]


def download(folder: Path, requirement: str, python: str) -> Path:
    """One wheel that fits that Python on 64-bit Linux.

    Raises:
        SystemExit: there is none.
    """
    before = set(folder.glob("*.whl"))
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
    command += [str(folder), "--only-binary=:all:", "--python-version", python]
    command += [f"--platform={name}_x86_64" for name in PLATFORMS]
    done = subprocess.run([*command, requirement], capture_output=True, text=True, check=False)
    made = set(folder.glob("*.whl")) - before
    if done.returncode or not made:
        raise SystemExit(f"{requirement} cannot be fetched as a wheel: {done.stderr.strip()}")
    return made.pop()


def versions_in(file: Path) -> dict[str, str]:
    """What a `pip freeze` lists: `name==version`, or `name @ address` of an unknown version."""
    found = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        name, _, number = line.partition(" @ ")[0].partition("==")
        if name.strip() and line[0] not in "#-":
            found[canonicalize_name(name.strip())] = number.strip()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--python", default="3.12")
    parser.add_argument("--there", type=Path, help="what `pip freeze` printed there")
    parser.add_argument("--most", type=float, default=50.0, help="MB in all")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    if old := next(asked.folder.iterdir(), None):
        parser.error(f"{asked.folder} is not empty ({old.name}): name a new folder")
    held = versions_in(asked.there) if asked.there else dict.fromkeys(HELD.split(), "")
    wheels = fetch(asked.folder, asked.python, held)
    for wheel in sorted(wheels, key=lambda wheel: -wheel.stat().st_size):
        name, number, *_ = parse_wheel_filename(wheel.name)
        print(f"{wheel.stat().st_size / MB:7.1f} MB  {name} {number}")
    size = sum(wheel.stat().st_size for wheel in wheels) / MB
    print(f"{size:7.1f} MB in {len(wheels)} wheels")
    if size > asked.most:
        raise SystemExit(f"That is more than {asked.most:g} MB.")
    print(f"There: python3 -m pip install --no-index --no-deps {asked.folder}/*.whl")


if __name__ == "__main__":
    main()
