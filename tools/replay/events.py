"""From lines to events: ids, sessions where the file has none, and product states on the way."""

import hashlib
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pyarrow as pa

from clickstream_contracts import names
from tools.replay.convert import Unmappable
from tools.replay.mapping import Mapping
from tools.replay.sources import Line

Event = dict[str, Any]


@dataclass(frozen=True)
class Mapped:
    """A line and its events."""

    line: Line
    events: list[Event]


@dataclass(frozen=True)
class Rejected:
    """A line that cannot become an event: why, in words that can be counted, and with the value."""

    line: Line
    reason: str
    text: str


@dataclass
class Products:
    """States of products as the events tell them, one for each change in the order of the file."""

    states: list[dict[str, Any]] = field(default_factory=list)
    _last: dict[str, dict[str, Any]] = field(default_factory=dict)

    def note(self, state: dict[str, Any], since: int) -> None:
        if state.get("product_id") and self._last.get(state["product_id"]) != state:
            self._last[state["product_id"]] = state
            self.states.append({**state, "updated_at": since})

    def table(self) -> pa.Table:
        """The states as the landing table wants them."""
        columns = {name: pa.array([state[name] for state in self.states]) for name in self.states[0]}
        return pa.table(columns | {"updated_at": columns["updated_at"].cast(pa.timestamp("ms", "UTC")).cast(pa.timestamp("us", "UTC"))})


@dataclass
class Sessions:
    """Sessions of users by the rule of the gap; the order of the file does not matter."""

    gap_ms: int
    _times: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    _starts: dict[str, list[int]] = field(default_factory=dict)

    def note(self, user: str, time: int) -> None:
        self._times[user].append(time)

    def close(self) -> None:
        """Work out where sessions begin, after all events were noted."""
        for user, times in self._times.items():
            times.sort()
            self._starts[user] = [times[0], *(b for a, b in pairwise(times) if b - a > self.gap_ms)]
        self._times.clear()

    def of(self, user: str, time: int) -> str:
        starts = self._starts[user]
        return "s-" + _hash(f"{user}|{starts[bisect_right(starts, time) - 1]}")


def derive_sessions(lines: Iterable[Line], mapping: Mapping) -> Sessions:
    """Read a file once to learn its sessions."""
    sessions = Sessions(mapping.session_gap_minutes * 60_000)
    for line in lines:
        mapped = map_line(line, mapping, None)
        for event in mapped.events if isinstance(mapped, Mapped) else []:
            if "user_id" in event:
                sessions.note(event["user_id"], event["event_time"])
    sessions.close()
    return sessions


def map_lines(lines: Iterable[Line], mapping: Mapping, sessions: Sessions | None, products: Products) -> Iterator[Mapped | Rejected]:
    """Each line as its events, or rejected."""
    for line in lines:
        mapped = map_line(line, mapping, sessions)
        if isinstance(mapped, Mapped) and mapping.products:
            _note_products(mapped, mapping, products)
        yield mapped


def map_line(line: Line, mapping: Mapping, sessions: Sessions | None) -> Mapped | Rejected:
    """One line as its events, or rejected."""
    if line.values is None:
        return Rejected(line, line.fault.split(":")[0], line.fault)
    identity = _hash(line.text)
    try:
        made = [_complete(mapping.event(part), identity, i, sessions) for i, part in enumerate(mapping.parts(line.values))]
    except Unmappable as error:
        return Rejected(line, error.reason, str(error))
    return Mapped(line, made)


def _complete(event: Event, identity: str, number: int, sessions: Sessions | None) -> Event:
    """Add what the line does not hold: an id that its text decides, and a session."""
    whole = event.get("event_id", identity)
    event["event_id"] = f"{whole}-{number}" if number else whole
    if sessions is not None:
        event["session_id"] = sessions.of(event["user_id"], event["event_time"]) if "user_id" in event else event["event_id"]
    event["schema_version"] = names.EVENT_VERSION
    return event


def _note_products(mapped: Mapped, mapping: Mapping, products: Products) -> None:
    for part, event in zip(mapping.parts(mapped.line.values or {}), mapped.events, strict=True):
        try:
            products.note(mapping.product(part), event["event_time"])
        except Unmappable:
            continue


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=16).hexdigest()
