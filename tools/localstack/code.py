"""The contents of files that a running process has read: when they change, it must be restarted to use them."""

import hashlib
from pathlib import Path

from tools.localstack.layout import ROOT

CONTRACTS = "contracts/clickstream_contracts"


def environment(name: str) -> str:
    """Returns the file that changes whenever the set-up makes an environment anew."""
    return f".venvs/{name}/.made-from"


def jars(name: str = "") -> str:
    """Returns the file that changes whenever the set-up replaces the jars, or those of one folder that it makes separately."""
    return str(Path(".jars", name, ".made-from"))


def digest(paths: tuple[str, ...]) -> str:
    """Returns one hash of the contents of files and folders of this checkout; compiled Python files do not count."""
    total = hashlib.sha256()
    for file in sorted(file for path in paths for file in _files(ROOT / path)):
        total.update(f"{file.relative_to(ROOT)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [file for file in path.rglob("*") if file.is_file() and file.parent.name != "__pycache__"]
