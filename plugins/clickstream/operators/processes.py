"""Ends processes of this machine that an earlier try of a task left running, because only its task runner was killed."""

import os
import signal
import subprocess
import time
from collections.abc import Collection
from contextlib import suppress

# Time that processes get to end by themselves.
GRACE_SECONDS = 10.0
POLL_SECONDS = 0.1


def end_processes(argument_values: Collection[str], grace_seconds: float | None = None) -> list[int]:
    """End every process group with a process that has one of these values as an argument. Returns the ids of the groups.

    The groups get SIGTERM and, after `grace_seconds` (default: GRACE_SECONDS), SIGKILL; all are gone afterwards.
    """
    groups = process_groups(argument_values)
    _signal(groups, signal.SIGTERM)
    deadline = time.monotonic() + (GRACE_SECONDS if grace_seconds is None else grace_seconds)
    while (left := process_groups(argument_values)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    _signal(left, signal.SIGKILL)
    while process_groups(argument_values):
        time.sleep(POLL_SECONDS)
    return sorted(groups)


def process_groups(argument_values: Collection[str]) -> set[int]:
    """Returns the ids of the process groups with a process that has one of these values as an argument, without the own group."""
    if not argument_values:
        return set()
    # Both Linux and macOS have these options. A process that ended but was not waited for has the state Z.
    listing = subprocess.run(["ps", "-A", "-ww", "-o", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listing.splitlines()]
    matching = {int(row[0]) for row in rows if len(row) == 3 and row[1][0] != "Z" and not set(argument_values).isdisjoint(row[2].split())}
    return matching - {os.getpgrp()}


def _signal(groups: Collection[int], number: signal.Signals) -> None:
    for group in groups:
        with suppress(ProcessLookupError):
            os.killpg(group, number)
