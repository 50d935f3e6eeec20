"""The truth about attacks: which event belongs to which. It goes to a file beside the ledger, never into an event."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from clickstream_contracts.settings import Settings
from tools.ledger.record_kinds import BROKEN, kind_code
from tools.shop.rows import Rows

ATTACKS = ("card_testing", "card_velocity", "impossible_travel", "account_takeover", "scraping_bot", "coupon_abuse", "rapid_fire")
BAITS = ("bait_forgetful", "bait_gifts", "bait_family", "bait_power_browser", "bait_traveller")
KINDS = (*ATTACKS, *BAITS)
FIRST_BROKEN = kind_code(next(iter(BROKEN)))
_ROOM, _BITS = 32, 24


def label(kind: str, number: int, spread: bool, window_start: int) -> int:
    """An attack's number in the rows, unlike any other of the same shop; 0 is nobody's."""
    return (window_start // 1000 << _BITS) + 1 + KINDS.index(kind) + _ROOM * (2 * number + spread)


def meaning(packed: int) -> dict[str, Any]:
    """What `label` packed."""
    window, rest = divmod(packed - 1, 1 << _BITS)
    order, kind = divmod(rest, _ROOM)
    return {
        "attack": f"{KINDS[kind]}-{window}-{order // 2}",
        "pattern": KINDS[kind],
        "variant": "spread" if order % 2 else "burst",
    }


class Labels:
    """A file of labels, one JSON line for each labelled event; a run that is resumed adds to those of its first try."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a")

    def note(self, rows: Rows, ids: list[str]) -> None:
        """Write the labels of `rows`, whose event ids are `ids`."""
        for i in np.flatnonzero((rows["label"] > 0) & (rows["kind"] < FIRST_BROKEN)).tolist():
            line = {"event_id": ids[i], "event_time": int(rows["time"][i]), **meaning(int(rows["label"][i]))}
            self._file.write(json.dumps(line) + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()


def folder(settings: Settings) -> Path:
    """Where the labels of a stack's runs are."""
    return Path(settings.stack_dir) / "labels"


@dataclass(frozen=True)
class Attack:
    """One attack, or one group of bait: its pattern, and when each of its events happened, in ms since 1970 by event id."""

    pattern: str
    events: dict[str, int] = field(default_factory=dict)

    @property
    def is_bait(self) -> bool:
        return self.pattern in BAITS


def read(paths: Iterable[Path]) -> list[Attack]:
    """All that was planted, from files of labels."""
    attacks: dict[str, Attack] = {}
    for path in paths:
        with path.open() as file:
            for label in map(json.loads, file):
                attacks.setdefault(label["attack"], Attack(label["pattern"])).events[label["event_id"]] = label["event_time"]
    return list(attacks.values())


def by_event(attacks: Iterable[Attack]) -> dict[str, Attack]:
    """The attack of each labelled event."""
    return {event: attack for attack in attacks for event in attack.events}
