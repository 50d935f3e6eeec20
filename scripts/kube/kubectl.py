"""Runs kubectl. Its failures are errors: no result is never an empty result."""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any

Object = dict[str, Any]
# The API server may be unreachable for a moment, for example while its own node is busy.
ATTEMPTS, PAUSE_SECONDS = 3, 2.0
REQUEST_TIMEOUT = "--request-timeout=30s"


class KubectlError(RuntimeError):
    """kubectl failed; the text holds the command and the end of what it printed."""


def run(*arguments: str, stdin: str | None = None, attempts: int = ATTEMPTS) -> str:
    """Returns what kubectl prints. Raises KubectlError after `attempts` failures, and at once if an object does not exist."""
    for attempt in range(1, attempts + 1):
        done = subprocess.run(["kubectl", *arguments, REQUEST_TIMEOUT], input=stdin, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout
        if attempt == attempts or "NotFound" in done.stderr:
            break
        time.sleep(PAUSE_SECONDS)
    last_lines = " ".join(done.stderr.strip().splitlines()[-3:])
    raise KubectlError(f"kubectl {' '.join(arguments)} failed: {last_lines or f'exit code {done.returncode}'}")


def get(*arguments: str) -> list[Object]:
    """Returns the objects that `kubectl get` lists."""
    text = run("get", *arguments, "-o", "json")
    try:
        document = json.loads(text)
    except ValueError:
        raise KubectlError(f"kubectl get {' '.join(arguments)} printed no JSON: {text[:200]!r}") from None
    return list(document["items"]) if "items" in document else [document]


def logs(namespace: str, *arguments: str) -> str:
    """Returns the last lines of a container's log; empty if there are none."""
    try:
        return run("-n", namespace, "logs", *arguments, "--tail=15", attempts=1)
    except KubectlError:
        return ""


def parse_rendered(text: str) -> list[Object]:
    """Returns the objects of a YAML text. kubectl converts it: `annotate --local` needs neither a server nor the objects' CRDs."""
    converted = run("annotate", "--local", "--overwrite", "-f", "-", "-o", "json", "clickstream/rendered=true", stdin=text, attempts=1)
    decoder, objects, position = json.JSONDecoder(), [], 0
    while (position := _next_object(converted, position)) >= 0:
        item, position = decoder.raw_decode(converted, position)
        objects.append(item)
    return objects


def _next_object(text: str, position: int) -> int:
    return text.find("{", position)
