"""The lowest version of each requirement that setup.cfg allows, as constraints for pip.

python .ci/lowest_versions.py > lowest.txt && pip install -e '.[dev]' -c lowest.txt
"""

import re
from configparser import ConfigParser
from pathlib import Path


def lowest(setup_cfg: str) -> list[str]:
    """`name==version` for every requirement with a lower bound, those of the extras included."""
    config = ConfigParser()
    config.read_string(setup_cfg)
    extras = config["options.extras_require"].values()
    requirements = "\n".join([config["options"]["install_requires"], *extras])
    bounds = re.findall(r"^([\w.-]+)(?:\[.*?\])?>=([\w.]+)", requirements, re.MULTILINE)
    return [f"{name}=={version}" for name, version in bounds]


if __name__ == "__main__":
    root = Path(__file__).parent.parent
    print("\n".join(lowest((root / "setup.cfg").read_text(encoding="utf-8"))))
