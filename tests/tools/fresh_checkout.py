"""A checkout in which no environment was made yet."""

import shutil
from pathlib import Path

from tools.localstack.bootstrap import LOCKS

ROOT = Path(__file__).parents[2]


def copy_to(folder: Path) -> Path:
    """Copy what the set-up and the script read to `folder`; returns it."""
    for name in ("tools", "contracts"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "clickstream", "pom.xml", *LOCKS.values()):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder
