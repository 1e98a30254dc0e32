"""The house's walls: which package may import which, read from the imports themselves."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("harness", "search_spaces", "objectives", "reports")

FORBIDDEN = {
    "search_spaces": {"harness", "objectives", "reports", "torch", "torchvision", "mlflow"},
    "objectives": {"harness", "search_spaces", "reports", "optuna", "mlflow"},
    "reports": {"harness", "search_spaces", "objectives", "torch", "torchvision", "mlflow"},
    "harness/data": {"optuna", "mlflow", "reports"},
    "harness/training": {"optuna", "mlflow", "reports"},
    "harness/evaluation": {"optuna", "mlflow"},
    "harness/trials": {"optuna", "mlflow"},
}

# What stands in harness/, from the ground up: each may import what stands before it.
FLOORS = (
    "errors.py",
    "paths.py",
    "config",
    "console",
    "data",
    "training",
    "evaluation",
    "trials",
    "study",
    "tracking",
    "search",
    "full_training",
    "cli",
)
# The same of the packages in harness/data/: made pairs are files first, then prepared and checked.
DATA_FLOORS = ("files", "synthesis", "pairs", "check")
REPORTS_FLOORS = ("record", "texts", "commands", "analysis", "export", "page")
HOUSES = {"harness": FLOORS, "harness/data": DATA_FLOORS, "reports": REPORTS_FLOORS}
ROOMS = [(house, floor) for house, floors in HOUSES.items() for floor in floors]


def imports(file: Path) -> set[str]:
    """Every module that a file imports, whole names, also inside its functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively: write the whole name"
            found.add(node.module or "")
    return found


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_run_one_way(package: str) -> None:
    assert files(package)
    crossed = {
        str(file.relative_to(ROOT)): sorted(names)
        for file in files(package)
        if (names := {name.split(".")[0] for name in imports(file)} & FORBIDDEN[package])
    }
    assert crossed == {}


@pytest.mark.parametrize("house", HOUSES)
def test_what_stands_in_the_house(house: str) -> None:
    entries = {path.name for path in (ROOT / house).iterdir() if path.name[0] != "_"}
    assert entries - {"py.typed"} == set(HOUSES[house])


@pytest.mark.parametrize(("house", "floor"), ROOMS)
def test_no_floor_imports_one_above_it(house: str, floor: str) -> None:
    place, floors = ROOT / house / floor, HOUSES[house]
    package = house.replace("/", ".")
    above = tuple(
        f"{package}.{name.removesuffix('.py')}." for name in floors[floors.index(floor) + 1 :]
    )
    crossed = {
        str(file.relative_to(ROOT)): upward
        for file in ([place] if place.is_file() else files(f"{house}/{floor}"))
        if (upward := sorted(name for name in imports(file) if f"{name}.".startswith(above)))
    }
    assert crossed == {}


def test_only_the_trackers_import_mlflow() -> None:
    users = {
        str(file.relative_to(ROOT))
        for package in PACKAGES
        for file in files(package)
        if any(name.split(".")[0] == "mlflow" for name in imports(file))
        and file.parent != ROOT / "harness" / "tracking"
    }
    assert users == set()


def all_imports() -> dict[str, set[str]]:
    """What each module of the house imports."""
    return {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): imports(
            file
        )
        for package in PACKAGES
        for file in files(package)
    }


@pytest.mark.parametrize("module", ["synthesis.make_pairs", "check.facts"])
def test_processes_that_read_and_make_pictures_need_no_torch(module: str) -> None:
    """Its import takes longer than they do."""
    known, waiting = all_imports(), {f"harness.data.{module}"}
    reached: set[str] = set()
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= known.get(name, set()) - reached
    assert "numpy" in reached
    assert "torch" not in reached


def test_no_circles() -> None:
    """No two files of the house import each other, however long the way round."""
    known = all_imports()
    edges = {name: used & known.keys() for name, used in known.items()}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way, name))
        if name not in done:
            for used in edges[name] - {name}:
                visit(used, (*way, name))
            done.add(name)

    for name in known:
        visit(name, ())


def test_only_its_launcher_imports_ray() -> None:
    users = {
        str(file.relative_to(ROOT))
        for package in PACKAGES
        for file in files(package)
        if any(name.split(".")[0] == "ray" for name in imports(file))
    }
    assert users <= {"harness/trials/launchers/ray.py"}
