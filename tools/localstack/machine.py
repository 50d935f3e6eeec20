"""What the machine already knows about package indexes: uv does not read pip's configuration, so it is told."""

from __future__ import annotations

import ast
import os
import subprocess
from pathlib import Path

# pip's option, uv's variable, and what uv puts between several values.
OPTIONS = (
    ("index-url", "UV_DEFAULT_INDEX", " "),
    ("extra-index-url", "UV_INDEX", " "),
    ("find-links", "UV_FIND_LINKS", ","),
    ("trusted-host", "UV_INSECURE_HOST", " "),
    ("cert", "SSL_CERT_FILE", " "),
)


def pip_as_uv(python: str) -> dict[str, str]:
    """pip's settings of this machine as variables of uv; what is set for uv already wins."""
    pip = _pip_settings(python)
    own = {}
    for option, variable, between in OPTIONS:
        values = [value for value in pip.get(option, "").split() if option != "find-links" or "://" in value or Path(value).is_dir()]
        if values and variable not in os.environ:
            own[variable] = between.join(values)
    return own


def _pip_settings(python: str) -> dict[str, str]:
    """Options by name, from pip's files and environment; later lines of `pip config list` win."""
    done = subprocess.run([python, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    found: dict[str, str] = {}
    sections = {":env:": 2, "install": 1, "global": 0}
    rank: dict[str, int] = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if section in sections and sections[section] >= rank.get(option, 0):
            rank[option] = sections[section]
            found[option] = str(ast.literal_eval(value))
    return found
