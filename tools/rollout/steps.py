"""Decides what a step of a rollout does to the pointer. No I/O: the rows of `serving.rollout` and the model are passed in.

`start` gives a candidate a share of the users, `step` changes the share, `finish` makes the candidate the stable model, `back`
removes the candidate, and `rollback` serves an earlier release again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from clickstream_contracts.rollout_pointer import Pointer, Row

# The row of a model in ml.models, by its sha256.
FindModel = Callable[[str], dict[str, Any]]


class RolloutError(RuntimeError):
    """A step is not possible from the current pointer; the message says why."""


@dataclass(frozen=True)
class Step:
    """One step that a run asks for.

    `release` is the name of the release to start or to roll back to; the other actions take that of the run. `candidate` is the sha256
    of the model to start, `share` is in percent of the users.
    """

    action: str
    run: str
    release: str = ""
    candidate: str = ""
    share: int = 1
    rule_version: str = ""
    reason: str = ""


def next_pointer(step: Step, rows: Sequence[Row], find_model: FindModel) -> Pointer:
    """Returns the pointer after the step. `rows` are those of `serving.rollout`, the oldest first.

    Raises RolloutError if the step is not possible from the current pointer.
    """
    pointer = Pointer.newest(rows)
    match step.action:
        case "start":
            return _started(step, rows, pointer, find_model)
        case "rollback":
            return _released(step.release, rows)
        case "back":
            return _without_candidate(step, rows, pointer)
    release = _release_of(step, rows)
    if not release or pointer.release != release or not (pointer.candidate or step.action == "finish"):
        raise RolloutError(
            f"{release or 'no release of this run'} is not being rolled out: the current release is {pointer.release or 'none'}"
        )
    if step.action == "step":
        return replace(pointer, share=_checked_share(step.share))
    return replace(pointer, stable=pointer.candidate or pointer.stable, candidate="", share=0)


def is_done(step: Step, rows: Sequence[Row], pointer: Pointer) -> bool:
    """Returns whether `pointer` needs no row: a retry of the newest step, or nothing to take back."""
    if pointer != Pointer.newest(rows):
        return False
    return step.action == "back" or (bool(rows) and (rows[-1]["action"], rows[-1]["run"]) == (step.action, step.run))


def check_no_rollback_since(step: Step, rows: Sequence[Row], rows_before: int) -> None:
    """Raises RolloutError if a rollback was committed after the first `rows_before` rows, while the step was in progress.

    `back` goes on: decided from the new rows, it changes nothing after a rollback.
    """
    if step.action not in ("rollback", "back") and any(row["action"] == "rollback" for row in rows[rows_before:]):
        raise RolloutError(f"a rollback to {rows[-1]['release']} was made while this step ({step.action}) was in progress; it stays")


def _started(step: Step, rows: Sequence[Row], pointer: Pointer, find_model: FindModel) -> Pointer:
    if not step.release or not step.candidate:
        raise RolloutError("the action start needs --release and --candidate")
    release = _unused_name(step, rows)
    if pointer.candidate and pointer.release != release:
        raise RolloutError(f"{pointer.release} is being rolled out: finish it or remove its candidate (action back) first")
    if _was_rolled_back(step.run, rows):
        raise RolloutError(f"a rollback ended the rollout of this run; trigger a new run with model {step.candidate} to roll it out again")
    model = find_model(step.candidate)
    if not model["passed"]:
        raise RolloutError(f"the gate refused model {step.candidate[:12]}: {model['verdict'][:300]}")
    return Pointer(release, pointer.stable, step.candidate, _checked_share(step.share), model["data_tag"], step.rule_version)


def _unused_name(step: Step, rows: Sequence[Row]) -> str:
    """Returns the name for the release: with _2, _3 at its end if the same model was rolled out before on that day."""
    for number in count(1):
        name = step.release if number == 1 else f"{step.release}_{number}"
        own = [row for row in rows if row["release"] == name]
        if all(row["run"] == step.run and row["action"] != "finish" for row in own):
            return name
    raise AssertionError("unreachable")


def _was_rolled_back(run: str, rows: Sequence[Row]) -> bool:
    """Returns whether an operator's rollback followed the start of this run: a late retry of the start must not undo it."""
    starts = [number for number, row in enumerate(rows) if (row["action"], row["run"]) == ("start", run)]
    return bool(starts) and any(row["action"] == "rollback" for row in rows[starts[-1] :])


def _without_candidate(step: Step, rows: Sequence[Row], pointer: Pointer) -> Pointer:
    """Returns the pointer without the candidate of this run; the same pointer if it has none, such as after the promotion."""
    release = _release_of(step, rows)
    if not release or pointer.release != release or not pointer.candidate:
        return pointer
    return replace(_released(_release_before(rows, release), rows), candidate="", share=0)


def _release_of(step: Step, rows: Sequence[Row]) -> str:
    """Returns the release that the step names or that its run started last; '' if it started none."""
    started = [row["release"] for row in rows if (row["action"], row["run"]) == ("start", step.run)]
    return step.release or (str(started[-1]) if started else "")


def _released(release: str, rows: Sequence[Row]) -> Pointer:
    """Returns the pointer after the release was finished or rolled back to; an empty one for release ''. Raises RolloutError."""
    if not release:
        return Pointer()
    own = [row for row in rows if row["release"] == release and row["action"] in ("finish", "rollback")]
    if not own:
        finished = sorted({row["release"] for row in rows if row["action"] == "finish"})
        raise RolloutError(f"{release!r} was never released; releases are {', '.join(finished) or 'none'}")
    return Pointer.newest(own)


def _release_before(rows: Sequence[Row], release: str) -> str:
    """Returns the release that served when this one was started; '' if there was none."""
    others = [row for row in rows if row["action"] in ("finish", "rollback", "back") and row["release"] != release]
    return str(others[-1]["release"]) if others else ""


def _checked_share(share: int) -> int:
    if not 1 <= share <= 100:
        raise RolloutError(f"--share {share} is out of range: use 1 to 100 percent")
    return share
