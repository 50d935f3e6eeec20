"""Labels of simulated attacks: which event belongs to which attack. They are written to a file beside the ledger, never into an event."""

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

ATTACKS = (
    *("card_testing", "card_velocity", "impossible_travel", "account_takeover", "scraping_bot", "coupon_abuse", "rapid_fire"),
    *("device_stuffing", "card_guessing", "password_guessing", "refund_abuse", "card_testing_address", "credential_stuffing"),
)
# Legitimate behaviour that resembles an attack: an alert about it is a false alarm.
LOOKALIKES = (
    *("lookalike_forgetful", "lookalike_gifts", "lookalike_family", "lookalike_power_browser", "lookalike_traveller"),
    *("lookalike_basket", "lookalike_carousel", "lookalike_wallet", "lookalike_call_centre", "lookalike_office"),
)
KINDS = (*ATTACKS, *LOOKALIKES)
FIRST_BROKEN = kind_code(next(iter(BROKEN)))
# A label is packed into one number: the window's start in seconds above, below it 2 * number + spread, and the kind in the lowest place.
_MAX_KINDS, _LOW_BITS = 32, 24


def pack(kind: str, number: int, spread: bool, window_start: int) -> int:
    """Returns the label of an attack as a number that is unique in a shop. 0 means no label, so labels start at 1."""
    return (window_start // 1000 << _LOW_BITS) + 1 + KINDS.index(kind) + _MAX_KINDS * (2 * number + spread)


def unpack(packed: int) -> dict[str, Any]:
    """Returns the fields of a packed label: the attack's id, its pattern, and its pace (`burst` or `spread`)."""
    window, rest = divmod(packed - 1, 1 << _LOW_BITS)
    number_and_spread, kind = divmod(rest, _MAX_KINDS)
    number, spread = divmod(number_and_spread, 2)
    return {"attack": f"{KINDS[kind]}-{window}-{number}", "pattern": KINDS[kind], "pace": "spread" if spread else "burst"}


class LabelFile:
    """A file of labels, one JSON line for each labelled event. A resumed run appends to the file of its first try."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a")

    def write(self, rows: Rows, ids: list[str]) -> None:
        """Write the labels of `rows`, whose event ids are `ids`; broken records have no label."""
        for i in np.flatnonzero((rows["label"] > 0) & (rows["kind"] < FIRST_BROKEN)).tolist():
            line = {"event_id": ids[i], "event_time": int(rows["time"][i]), **unpack(int(rows["label"][i]))}
            self._file.write(json.dumps(line) + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()


def folder(settings: Settings) -> Path:
    """Returns the folder of the label files of a local stack."""
    return Path(settings.stack_dir) / "labels"


@dataclass(frozen=True)
class Attack:
    """One attack, or one group of lookalike events: its pattern, and the time of each event in ms since 1970 by event id."""

    pattern: str
    events: dict[str, int] = field(default_factory=dict)

    @property
    def is_lookalike(self) -> bool:
        return self.pattern in LOOKALIKES


def read(paths: Iterable[Path]) -> list[Attack]:
    """Returns the attacks and lookalikes of label files."""
    attacks: dict[str, Attack] = {}
    for path in paths:
        with path.open() as file:
            for label in map(json.loads, file):
                attack = attacks.setdefault(label["attack"], Attack(label["pattern"]))
                attack.events[label["event_id"]] = label["event_time"]
    return list(attacks.values())


def attack_by_event(attacks: Iterable[Attack]) -> dict[str, Attack]:
    """Returns the attack of each labelled event by event id."""
    return {event: attack for attack in attacks for event in attack.events}
