"""Resolves the requirements of every package again and writes the lock files. Run by `make lock`."""

from __future__ import annotations

import sys

from tools.localstack.bootstrap import LOCKS, find_uv
from tools.localstack.package_index import pip_as_uv
from tools.localstack.run_command import TMP, CommandFailed, run

OPTIONS = (
    *("--quiet", "--upgrade", "--universal", "--python-version", "3.11", "--generate-hashes"),
    *("--no-emit-index-url", "--no-emit-find-links", "--custom-compile-command", "make lock"),
)
IMAGE_LOCK = "tools/requirements.lock"


def main() -> int:
    """Write each lock file. Returns the exit code."""
    TMP.mkdir(parents=True, exist_ok=True)
    try:
        uv = find_uv()
        for lock in [*LOCKS.values(), IMAGE_LOCK]:
            run(lock, [uv, "pip", "compile", lock.replace(".lock", ".txt"), "-o", lock, *OPTIONS], env=pip_as_uv(sys.executable))
    except CommandFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
