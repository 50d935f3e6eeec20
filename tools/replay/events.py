"""Turns lines into events: ids, sessions if the file has none, and the product states that the events contain."""

import hashlib
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pyarrow as pa

from clickstream_contracts import names
from tools.replay.convert import RejectedLine
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
    """A line that cannot become an event: the reason without values, and the message with the value."""

    line: Line
    reason: str
    message: str


@dataclass
class Products:
    """Product states from the events, one for each change in the order of the file."""

    states: list[dict[str, Any]] = field(default_factory=list)
    _latest: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, state: dict[str, Any], valid_from: int) -> None:
        """Add a state if it differs from the product's latest one; valid_from: ms since 1970."""
        if state.get("product_id") and self._latest.get(state["product_id"]) != state:
            self._latest[state["product_id"]] = state
            self.states.append({**state, "updated_at": valid_from})

    def table(self) -> pa.Table:
        """Returns the states with the columns of the landing table."""
        columns = {name: pa.array([state[name] for state in self.states]) for name in self.states[0]}
        updated_at = columns["updated_at"].cast(pa.timestamp("ms", "UTC")).cast(pa.timestamp("us", "UTC"))
        return pa.table(columns | {"updated_at": updated_at})


@dataclass
class Sessions:
    """Sessions of users: a new one begins after a gap of `gap_ms`. The order of the file does not matter."""

    gap_ms: int
    _times: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    _starts: dict[str, list[int]] = field(default_factory=dict)

    def add(self, user: str, time: int) -> None:
        """Add the time of an event of a user (ms since 1970)."""
        self._times[user].append(time)

    def find_starts(self) -> None:
        """Compute where sessions begin, after all events were added."""
        for user, times in self._times.items():
            times.sort()
            after_gaps = [later for earlier, later in pairwise(times) if later - earlier > self.gap_ms]
            self._starts[user] = [times[0], *after_gaps]
        self._times.clear()

    def session_id(self, user: str, time: int) -> str:
        """Returns the id of the session that holds an event of a user."""
        starts = self._starts[user]
        start = starts[bisect_right(starts, time) - 1]
        return "s-" + _hash(f"{user}|{start}")


def derive_sessions(lines: Iterable[Line], mapping: Mapping) -> Sessions:
    """Read all lines of a file and return its sessions."""
    sessions = Sessions(mapping.session_gap_minutes * 60_000)
    for line in lines:
        result = map_line(line, mapping, None)
        if isinstance(result, Rejected):
            continue
        for event in result.events:
            if "user_id" in event:
                sessions.add(event["user_id"], event["event_time"])
    sessions.find_starts()
    return sessions


def map_lines(lines: Iterable[Line], mapping: Mapping, sessions: Sessions | None, products: Products) -> Iterator[Mapped | Rejected]:
    """Yields each line with its events, or rejected. Product states are added to `products`."""
    for line in lines:
        result = map_line(line, mapping, sessions)
        if isinstance(result, Mapped) and mapping.products:
            _add_products(result, mapping, products)
        yield result


def map_line(line: Line, mapping: Mapping, sessions: Sessions | None) -> Mapped | Rejected:
    """Returns one line with its events, or rejected."""
    if line.values is None:
        return Rejected(line, line.error.split(":")[0], line.error)
    line_hash = _hash(line.text)
    try:
        elements = enumerate(mapping.elements(line.values))
        events = [_complete(mapping.event(values), line_hash, number, sessions) for number, values in elements]
    except RejectedLine as error:
        return Rejected(line, error.reason, str(error))
    return Mapped(line, events)


def _complete(event: Event, line_hash: str, number: int, sessions: Sessions | None) -> Event:
    """Add what the line does not hold: an event_id that is a hash of the line, a session, and the schema version.

    number: position of the event among the events of its line.
    """
    line_id = event.get("event_id", line_hash)
    event["event_id"] = f"{line_id}-{number}" if number else line_id
    if sessions is not None:
        # An event without a user is a session of its own.
        event["session_id"] = sessions.session_id(event["user_id"], event["event_time"]) if "user_id" in event else event["event_id"]
    event["schema_version"] = names.EVENT_VERSION
    return event


def _add_products(mapped: Mapped, mapping: Mapping, products: Products) -> None:
    for values, event in zip(mapping.elements(mapped.line.values or {}), mapped.events, strict=True):
        try:
            products.add(mapping.product(values), event["event_time"])
        except RejectedLine:
            # The event is sent; only its product state cannot be read.
            continue


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=16).hexdigest()
