"""Copies of pix2pix with a stand-in for train.py."""

import json
import shutil
from pathlib import Path

from search_spaces.trial_params import TrialParams

STAND_IN = Path(__file__).with_name("stand_in_train.py")
PARAMS = TrialParams(lambda_L1=80, lambda_perceptual=10, n_layers_D=4, gan_mode="lsgan", lr=1e-4)


def copy_of_pix2pix(folder: Path, **faults: str) -> Path:
    folder.mkdir(parents=True)
    shutil.copyfile(STAND_IN, folder / "train.py")
    (folder / "models").mkdir()
    for model in ("pix2pix", "pix2pix_with_perceptual"):
        (folder / "models" / f"{model}_model.py").touch()
    (folder / "faults.json").write_text(json.dumps(faults))
    return folder


def add_plugin(repo: Path) -> None:
    (repo / "models" / "pix2pix_warp_model.py").touch()
