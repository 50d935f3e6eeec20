"""A kubectl that prints what a test wrote: for states of a cluster that no server can be brought into at will."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.manifests.rendered import ROOT, program

STUB = """#!{python}
import json, os, pathlib, subprocess, sys
folder = pathlib.Path({folder!r})
arguments = [a for a in sys.argv[1:] if not a.startswith("--request-timeout")]
line = " ".join(arguments)
stdin = sys.stdin.read() if "-f - " in line + " " or line.endswith("python -") else ""
with (folder / "calls").open("a") as calls:
    calls.write(line + chr(10))
if "--local" in arguments or arguments[0] in ("kustomize", "config"):
    sys.exit(subprocess.run([{kubectl!r}, *arguments], input=stdin, text=True).returncode)
for rule in json.loads((folder / "rules.json").read_text()):
    if all(word in line for word in rule["words"]):
        used = folder / f"used-{{rule['number']}}"
        count = int(used.read_text()) if used.exists() else 0
        used.write_text(str(count + 1))
        exit_code, out, error = rule["responses"][min(count, len(rule["responses"]) - 1)]
        print(out, end="")
        print(error, end="", file=sys.stderr)
        sys.exit(exit_code)
"""
Response = tuple[int, str, str]


def ok(value: Any = "") -> Response:
    """kubectl prints a text, or an object as JSON."""
    return 0, value if isinstance(value, str) else json.dumps(value), ""


def fails(message: str) -> Response:
    """kubectl fails with a message."""
    return 1, "", message


class StubKubectl:
    """A folder with a `kubectl`. Rules are tried in order; a call without a rule prints nothing and succeeds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._rules: list[dict[str, Any]] = []
        text = STUB.format(python=sys.executable, folder=str(folder), kubectl=program("kubectl"))
        self.add("kubectl", text)
        self._write()

    def add(self, name: str, text: str) -> None:
        """Add another program to the folder."""
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)

    def _write(self) -> None:
        (self.folder / "rules.json").write_text(json.dumps(self._rules))

    def on(self, words: str, *responses: Response) -> "StubKubectl":
        """Calls that contain all these words get the responses in turn, the last one for ever."""
        self._rules.append({"words": words.split(), "responses": responses, "number": len(self._rules)})
        self._write()
        return self

    def calls(self, words: str) -> list[str]:
        """The calls that contain all these words."""
        path = self.folder / "calls"
        return [line for line in path.read_text().splitlines() if all(word in line for word in words.split())] if path.exists() else []

    def run(self, *command: str, stdin: str = "", timeout: float = 60, **env: str) -> "subprocess.CompletedProcess[str]":
        """Run a command with this kubectl first on PATH."""
        own = os.environ | {"PATH": f"{self.folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)} | env
        return subprocess.run(list(command), input=stdin, env=own, cwd=ROOT, capture_output=True, text=True, check=False, timeout=timeout)

    def script(self, name: str, *options: str, **env: str) -> "subprocess.CompletedProcess[str]":
        """Run a script with this kubectl."""
        return self.run(str(ROOT / "scripts" / f"{name}.sh"), *options, timeout=240, **env)
