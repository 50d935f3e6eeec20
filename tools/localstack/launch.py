"""Starts one component: its command and environment are in a private file, so that neither shows in `ps`.

Run by supervisord as `python launch.py SPECIFICATION.json DIGEST`. A component whose processes outlive their parents stays a child of
this process, which ends only when all of them have ended. Standard library only: it runs without site-packages.
"""

import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
# After the component's own process has ended, the others may end by themselves; then they get SIGTERM, then SIGKILL.
GRACE_SECONDS = 4.0
TERMINATE_SECONDS = 3.0
POLL_SECONDS = 0.05


def main() -> None:
    """Become the component that the file argv[1] describes, or its parent if it has `all_processes`."""
    specification = json.loads(Path(sys.argv[1]).read_text())
    os.chdir(specification["home"])
    os.umask(0o077)
    if not specification["all_processes"]:
        execute(specification)
    kill(of_earlier_start(specification["env"]))
    sys.exit(run_with_descendants(specification))


def execute(specification: dict[str, Any]) -> None:
    """Replace this process by the component."""
    os.execve(specification["argv"][0], specification["argv"], specification["env"])


def of_earlier_start(env: dict[str, str]) -> list[int]:
    """Returns the processes that have the variables by which the component's are recognised: an earlier parent was killed."""
    marks = {f"{key}={env[key]}" for key in ("STACK_PROCESS_OF", "STACK_COMPONENT")}
    own = {os.getpid(), os.getppid()}
    return [pid for pid in process_ids() if pid not in own and marks <= set(variables(pid))]


def run_with_descendants(specification: dict[str, Any]) -> int:
    """Run the component, pass on SIGTERM, end all of its processes; returns its exit code."""
    libc = ctypes.CDLL(None)
    # Descendants whose parent ends become children of this process, also those in a session of their own.
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    component = os.fork()
    if component == 0:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        execute(specification)
    signal.signal(signal.SIGTERM, lambda *_: send(component, signal.SIGTERM))
    while True:
        pid, status = os.wait()
        if pid == component:
            break
    end_descendants()
    return abs(os.waitstatus_to_exitcode(status))


def end_descendants() -> None:
    """Wait until no descendant is left, and end those that stay."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    begin, asked = time.monotonic(), False
    while has_children():
        seconds = time.monotonic() - begin
        if seconds > GRACE_SECONDS + TERMINATE_SECONDS:
            kill(descendants())
        elif seconds > GRACE_SECONDS and not asked:
            asked = True
            for pid in descendants():
                send(pid, signal.SIGTERM)
        time.sleep(POLL_SECONDS)


def has_children() -> bool:
    """Collect the exit codes of children that have ended; returns whether others are left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def descendants() -> list[int]:
    """Returns the processes below this one."""
    parents = {pid: parent(pid) for pid in process_ids()}
    level = {os.getpid()}
    below: list[int] = []
    while level:
        level = {pid for pid, above in parents.items() if above in level}
        below += level
    return below


def kill(pids: list[int]) -> None:
    """Send SIGKILL to processes."""
    for pid in pids:
        send(pid, signal.SIGKILL)


def send(pid: int, number: int) -> None:
    """Send a signal to a process that may have ended already."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def process_ids() -> list[int]:
    """Returns all process ids."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def parent(pid: int) -> int:
    """Returns the parent's process id; 0 if the process has ended."""
    try:
        # The name in parentheses may contain spaces and parentheses.
        return int(Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def variables(pid: int) -> list[str]:
    """Returns the environment that a process was started with; empty for a process of another user."""
    try:
        return os.fsdecode(Path(f"/proc/{pid}/environ").read_bytes()).split("\0")
    except OSError:
        return []


if __name__ == "__main__":
    main()
