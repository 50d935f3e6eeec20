"""Replays the held-out sessions of a model through both variants of Ray Serve, and says what speaks against the candidate."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from clickstream_contracts.held_out import FILE as HELD_OUT_FILE
from clickstream_contracts.held_out import LEAST_SESSIONS, HeldOut, HeldOutError
from clickstream_contracts.serving_api import CANDIDATE, FAILED, STABLE, VARIANTS
from clickstream_contracts.settings import Settings
from tools.lake.object_store import read_chunks
from tools.rollout.rollout_table import RolloutTable
from tools.rollout.serve_client import ServeClient

# Latency: more than this many times the stable model's median is too slow in any case; less may be, if a user could notice it.
TOO_SLOW_RATIO, NOTICED_RATIO, NOTICED_MS = 5.0, 2.0, 5.0
# Shares of the sessions: more fallbacks than the stable model's, and lists that differ from those of the training.
MORE_FALLBACKS, DIFFERENT_LISTS = 0.02, 0.01


@dataclass
class Replayed:
    """What one variant responded: per session its milliseconds, and how many responses were errors, fallbacks or another list."""

    milliseconds: list[float] = field(default_factory=list)
    errors: int = 0
    fallbacks: int = 0
    different: int = 0

    @property
    def sessions(self) -> int:
        """The number of sessions."""
        return len(self.milliseconds)

    @property
    def median_ms(self) -> float:
        """The median response time, 0 without sessions."""
        return round(median(self.milliseconds), 2) if self.milliseconds else 0.0

    def add(self, status: int, response: dict[str, Any], milliseconds: float, variant: str, expected: list[str]) -> None:
        """Count the response to one session."""
        self.milliseconds.append(milliseconds)
        fallback = response.get("fallback", "")
        if status != 200 or fallback.endswith(FAILED) or response.get("variant") != variant:
            self.errors += 1
        elif fallback:
            self.fallbacks += 1
        elif [item["id"] for item in response["items"]] != expected:
            self.different += 1

    def to_json(self) -> dict[str, Any]:
        """Returns the numbers as fields of a receipt."""
        return {
            "sessions": self.sessions,
            "errors": self.errors,
            "fallbacks": self.fallbacks,
            "different_lists": self.different,
            "median_ms": self.median_ms,
        }


Replays = dict[str, Replayed]


def read_held_out(settings: Settings, model: str) -> HeldOut:
    """Returns the held-out sessions of a model; none if its training stored none."""
    try:
        folder = RolloutTable(settings).model(model)["uri"]
        return HeldOut.from_json(b"".join(read_chunks(settings, f"{folder}/{HELD_OUT_FILE}")), model)
    except (OSError, HeldOutError):
        return HeldOut(model, [], [])


def replay(serve: ServeClient, held_out: HeldOut) -> Replays:
    """Ask both variants for the list of each session, in turn, so that other load on the machine slows both alike."""
    replays = {variant: Replayed() for variant in VARIANTS}
    for views, expected in zip(held_out.views, held_out.lists, strict=True):
        for variant, replayed in replays.items():
            started = time.perf_counter()
            body = {"items": views, "variant": variant, "k": max(len(expected), 1), "seen": True}
            status, response, model_ms = serve.post_timed("/recommend", body)
            elapsed_ms = 1000 * (time.perf_counter() - started)
            replayed.add(status, response, elapsed_ms if model_ms is None else model_ms, variant, expected)
    return replays


def reasons_against(replays: Replays, has_stable: bool) -> Iterator[str]:
    """Yields every reason to reject the candidate."""
    new, old = replays[CANDIDATE], replays[STABLE]
    if new.errors > (old.errors if has_stable else 0):
        yield f"{new.errors} of {new.sessions} replayed sessions failed with the candidate, {old.errors} with the stable model"
    old_fallbacks = old.fallbacks if has_stable else 0
    if new.fallbacks - old_fallbacks > MORE_FALLBACKS * new.sessions:
        shares = f"from the candidate, {old_fallbacks} from the stable model"
        yield f"{new.fallbacks} of {new.sessions} replayed sessions got a fallback list {shares}"
    if new.different > DIFFERENT_LISTS * new.sessions:
        yield f"{new.different} of {new.sessions} replayed sessions got another list than the training made of them"
    if has_stable and is_slower(new.median_ms, old.median_ms):
        yield f"the candidate's median latency is {new.median_ms} ms, the stable model's {old.median_ms} ms"


def is_slower(new_ms: float, old_ms: float) -> bool:
    """Returns whether a latency is too high compared with another one; also if it is NaN."""
    noticed = new_ms > NOTICED_RATIO * old_ms and new_ms - old_ms > NOTICED_MS
    return noticed or not new_ms <= TOO_SLOW_RATIO * old_ms


def unmeasured(replays: Replays, model: str) -> str:
    """Returns what a person has to do if too few sessions were replayed; '' if there were enough."""
    sessions = replays[CANDIDATE].sessions
    if sessions >= LEAST_SESSIONS:
        return ""
    conf = f'{{"model": "{model}", "accept_unmeasured": true}}'
    return (
        f"the candidate was not measured: {sessions} held-out sessions were replayed, {LEAST_SESSIONS} are needed;"
        f" if a person has judged it, roll it out with: airflow dags trigger clickstream_rollout --conf '{conf}'"
    )


def summary(replays: Replays) -> str:
    """Returns the numbers of both variants as one line."""
    new, old = replays[CANDIDATE], replays[STABLE]
    return (
        f"{new.sessions} sessions replayed: candidate {new.errors} failed, {new.fallbacks} fallbacks, {new.different} other lists,"
        f" median {new.median_ms} ms; stable {old.errors} failed, {old.fallbacks} fallbacks, median {old.median_ms} ms"
    )
