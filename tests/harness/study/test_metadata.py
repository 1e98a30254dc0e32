"""The setup of a new study: every fact from its own source."""

from pathlib import Path

from programs import program_of

from harness.config.profiles import QUICK
from harness.config.settings import SearchConfig
from harness.data.pairs.prepare import PreparedData
from harness.paths import RunPaths
from harness.study.constraints import MARGINS
from harness.study.metadata import LIBRARIES, setup_of
from objectives.score import Goal
from search_spaces.space import load_space


def test_every_fact_of_a_study_is_its_own(tmp_path: Path) -> None:
    config = SearchConfig(
        run_dir=tmp_path / "runs",
        study="mine",
        data=tmp_path / "pairs",
        direction="BtoA",
        seed=7,
        budget=33,
        sampler="gp",
        pruner="median",
        init_from=(tmp_path / "G.pth",),
        trainer="external",
        repo=tmp_path / "p.yaml",
    )
    own = {"folder": tmp_path / "its folder", "mark": "epoch", "checkpoint": "{epoch}.pth"}
    program = program_of(tmp_path, "train", "{out}", **own)
    data = PreparedData(tmp_path / "x.pt", "d" * 32, "their source", 8, 2, 3, 13, 5)
    goal, devices = Goal("minimize", 7.0), ("cuda:0", "cuda:1")
    setup = setup_of(
        *(config, load_space("wide"), "standard", QUICK, "random", goal, devices, data),
        start="init-from",
        external=program,
    )
    paths = RunPaths(tmp_path / "runs").study("mine")
    assert setup.data.as_data() == {
        "digest": "d" * 32,
        "source": "their source",
        "folder": str(tmp_path / "pairs"),
        "direction": "BtoA",
        "n_train": 8,
        "n_val": 2,
        "n_test": 3,
        "n_folder": 13,
        "n_drawn": 5,
    }
    found = setup.as_data()
    assert {name: found[name] for name in SAME} == SAME | {
        "train": QUICK.model_dump(mode="json"),
        "guards": MARGINS,
        "warm_start_folder": str(paths.warm_start.folder),
        "init_from": [str(tmp_path / "G.pth")],
        "program": {
            "file": str(program.file),
            "folder": str(program.folder),
            "command": ["train", "{out}"],
            "pairs": str(paths.external.pairs),
            "inputs": str(paths.external.inputs("search")),
        },
    }
    assert setup.created.endswith("+00:00")
    assert set(setup.versions) == {"python", *LIBRARIES, "harness"}


SAME = {
    "name": "mine",
    "direction": "minimize",
    "worst_score": 7.0,
    "objective": "boundary_sharpness",
    "objectives": None,
    "space_name": "wide",
    "profile": "standard",
    "pinned": {},
    "weights": "random",
    "seed": 7,
    "sampler": "gp",
    "pruner": "median",
    "device": "cuda:0, cuda:1",
    "budget": 33,
    "warm_start": "init-from",
    "trainer": "external",
    "repository": None,
    "train": {},
    "guards": {},
    "warm_start_folder": None,
    "init_from": [],
    "program": None,
}
