"""The arms of a rollout in one replica: the models that the pointer names, who gets which, and what became of it.

A model takes its place by the change of one reference, once it is loaded, checked and warm. One that cannot be loaded
takes no place: its arm goes on with the stable model, and the stable share goes on as it was.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ray_apps.common.cli import one_line
from ray_apps.serving.pointer import Lake, Pointer
from ray_apps.serving.scorer import Scorer
from ray_apps.serving.split import CANDIDATE, NONE, STABLE, arm
from ray_apps.serving.tally import COUNTS, Tally

AGAIN_SECONDS = 30.0
log = logging.getLogger("ray.serve")

# What is asked of a model; nothing means that the model has no answer.
Ask = Callable[[Scorer], list[Any]]


@dataclass(frozen=True)
class Arm:
    """What the pointer wants here, the model that answers (None if it cannot), and the counts since it is wanted."""

    wanted: str = ""
    scorer: Scorer | None = None
    tally: Tally = field(default_factory=Tally)

    def moved(self, wanted: str, scorer: Scorer | None) -> "Arm":
        """This arm with another model; the counts go on while the same one is wanted."""
        return Arm(wanted, scorer, self.tally if wanted == self.wanted else Tally())


@dataclass(frozen=True)
class Standing:
    """One state of the rollout, replaced as a whole."""

    pointer: Pointer = field(default_factory=Pointer)
    stable: Arm = field(default_factory=Arm)
    candidate: Arm = field(default_factory=Arm)


@dataclass(frozen=True)
class Reply:
    """What an arm said: which arm it was in the end, by which model, for which release, and whether a model failed on the way.

    `tally` counts what becomes of the answer; there is none when nobody answered or the user is on another arm's side.
    """

    found: list[Any]
    arm: str
    scorer: Scorer | None
    release: str
    failed: str = ""
    tally: Tally | None = None


class Arms:
    """The rollout as this replica stands to it."""

    def __init__(self, lake: Lake, clock: Callable[[], float] = time.monotonic) -> None:
        self._lake, self._clock = lake, clock
        self._state = ""
        self._failed: dict[str, float] = {}
        self.standing = Standing()

    def follow(self) -> None:
        """Take the lake's pointer over if it moved. Raises whatever the lake does; then all stays as it is."""
        state = self._lake.state()
        now = self.standing
        pointer = self._lake.pointer() if state != self._state else now.pointer
        stable = self._scorer(pointer.stable) or (now.stable.scorer if pointer.stable else None)
        candidate = self._scorer(pointer.candidate)
        self.standing = Standing(pointer, now.stable.moved(pointer.stable, stable), now.candidate.moved(pointer.candidate, candidate))
        self._state = state

    def _scorer(self, sha256: str) -> Scorer | None:
        """The model of this name, from memory or from the lake; None if there is none, or if it failed a moment ago."""
        here = {one.scorer.sha256: one.scorer for one in (self.standing.stable, self.standing.candidate) if one.scorer}
        if not sha256 or sha256 in here or self._clock() < self._failed.get(sha256, 0.0):
            return here.get(sha256)
        try:
            scorer = Scorer(self._lake.model(sha256))
            scorer.warm_up()
        except Exception as error:
            log.warning("model %s cannot serve: %s", sha256[:12], one_line(error))
            self._failed[sha256] = self._clock() + AGAIN_SECONDS
            return None
        self._failed.pop(sha256, None)
        return scorer

    def ask(self, user_id: str, question: Ask) -> Reply:
        """Ask the user's arm; if its model fails, the stable one; if that fails too, nobody."""
        now = self.standing
        if arm(user_id, now.pointer.share if now.pointer.candidate else 0) == CANDIDATE:
            found = _answer(now.candidate, question)
            if found is not None:
                return Reply(found, CANDIDATE, now.candidate.scorer, now.pointer.release, tally=now.candidate.tally)
            return self._stable(now, question, f"{CANDIDATE} failed")
        return self._stable(now, question)

    def _stable(self, now: Standing, question: Ask, failed: str = "") -> Reply:
        if not now.pointer.stable:
            return Reply([], NONE, None, now.pointer.release, failed)
        found = _answer(now.stable, question)
        if found is None:
            return Reply([], STABLE, None, now.pointer.release, failed or f"{STABLE} failed")
        return Reply(found, STABLE, now.stable.scorer, now.pointer.release, failed, None if failed else now.stable.tally)

    def tallies(self) -> dict[str, dict[str, Any]]:
        """Each arm's counts, and the model that answers for it."""
        return {name: told(one) for name, one in ((STABLE, self.standing.stable), (CANDIDATE, self.standing.candidate))}


def _answer(one: Arm, question: Ask) -> list[Any] | None:
    """What the arm's model says, counted; None if it fails."""
    begin, found = time.perf_counter(), None
    try:
        found = question(one.scorer) if one.scorer else None
    except Exception as error:
        log.warning("model %s failed: %s", one.wanted[:12], one_line(error))
    one.tally.add(1000 * (time.perf_counter() - begin), found is None)
    return found


def told(one: Arm) -> dict[str, Any]:
    """The arm's counts, and the model that answers for it."""
    counts = {count: getattr(one.tally, count) for count in COUNTS}
    return counts | {"p99_ms": one.tally.p99_ms, "model": one.scorer.sha256 if one.scorer else ""}
