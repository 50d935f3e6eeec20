"""Which folders the stack can work in. Standard library only."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.localstack.prerequisites import Problem

# The start scripts of Flink and Spark split paths at spaces; the others separate or quote in class paths, PYTHONPATH and configuration.
FORBIDDEN = re.compile(r"""[\s:;,"'`$\\%#&|<>()*?\[\]{}!]""")
# supervisord binds its socket under this name first; Linux takes at most 107 bytes.
SOCKET = "/run/supervisor.sock.4194304"
LONGEST = 107 - len(SOCKET)


def problem(folder: Path, stands_for: str) -> Problem | None:
    """Returns why the stack cannot work in `folder`, and the fix; None if it can. `stands_for` says what the folder is."""
    character = FORBIDDEN.search(str(folder))
    if character:
        return (
            f"{stands_for} {str(folder)!r} contains {character.group()!r}, which the scripts of Flink and Spark cannot handle",
            "use a path without spaces and special characters",
        )
    return None


def socket_problem(stack_dir: Path) -> Problem | None:
    """Returns the problem of a folder of a stack whose path is too long for a socket below it; None if it fits."""
    length = len(os.fsencode(str(stack_dir)))
    if length <= LONGEST:
        return None
    return f"the path of the stack's folder {str(stack_dir)!r} has {length} bytes, at most {LONGEST} fit", "use a shorter path"
