"""The machine's package index settings: uv does not read pip's configuration, so pip's settings become uv's variables."""

from __future__ import annotations

import ast
import os
import subprocess
from pathlib import Path

# pip's option, uv's variable, and uv's separator between several values.
OPTIONS = (
    ("index-url", "UV_DEFAULT_INDEX", " "),
    ("extra-index-url", "UV_INDEX", " "),
    ("find-links", "UV_FIND_LINKS", ","),
    ("trusted-host", "UV_INSECURE_HOST", " "),
    ("cert", "SSL_CERT_FILE", " "),
)
# Of two sections that set the same option, the one with the higher number wins.
PRECEDENCE = {"global": 0, "install": 1, ":env:": 2}


def pip_as_uv(python: str) -> dict[str, str]:
    """Returns pip's settings of this machine as variables of uv, without those that are set for uv already."""
    pip = _pip_settings(python)
    variables = {}
    for option, variable, separator in OPTIONS:
        values = pip.get(option, "").split()
        if option == "find-links":
            values = [value for value in values if "://" in value or Path(value).is_dir()]
        if values and variable not in os.environ:
            variables[variable] = separator.join(values)
    return variables


def _pip_settings(python: str) -> dict[str, str]:
    """Returns pip's options by name, from its files and environment; of equal sections the later line wins."""
    result = subprocess.run([python, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    options: dict[str, str] = {}
    precedence: dict[str, int] = {}
    for line in result.stdout.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if section in PRECEDENCE and PRECEDENCE[section] >= precedence.get(option, 0):
            precedence[option] = PRECEDENCE[section]
            options[option] = str(ast.literal_eval(value))
    return options
