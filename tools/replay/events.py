"""Turns lines into events: ids, sessions if the file has none, and the product states that the events contain."""

import hashlib
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import pyarrow as pa

from clickstream_contracts import names, schema
from clickstream_contracts.event_limits import EventLimits, broken_limit
from tools.replay import equal_rows, order_lines
from tools.replay.convert import RejectedLine
from tools.replay.event_rules import DERIVED_FIELDS
from tools.replay.line_mapping import Mapping
from tools.replay.lines import Line, until_damage
from tools.replay.mapped_lines import Event as Event
from tools.replay.mapped_lines import Mapped as Mapped
from tools.replay.mapped_lines import Rejected as Rejected
from tools.replay.order_lines import Orders

State = dict[str, Any]
MAX_PRODUCER: Final = schema.event().field("producer").max_length


@dataclass
class Products:
    """Product states from the events, one for each change in the order of the file."""

    states: list[dict[str, Any]] = field(default_factory=list)
    _latest: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, state: State, valid_from: int) -> None:
        """Add a state if it is valid and differs from the product's latest one; valid_from: ms since 1970.

        What an event does not say of a product is as it was.
        """
        latest = self._latest.get(state.get("product_id") or "")
        if latest == state or not state.get("product_id") or not _is_valid_state(state):
            return
        merged = {name: latest[name] if latest and value is None else value for name, value in state.items()}
        if merged != latest:
            self._latest[state["product_id"]] = merged
            self.states.append({**merged, "updated_at": valid_from})

    def add_all(self, states: Iterable[tuple[State, int]]) -> None:
        """Add states, each with its valid_from."""
        for state, valid_from in states:
            self.add(state, valid_from)

    def table(self) -> pa.Table:
        """Returns the states with the columns of the landing table."""
        columns = {name: pa.array([state[name] for state in self.states]) for name in self.states[0]}
        updated_at = columns["updated_at"].cast(pa.timestamp("ms", "UTC")).cast(pa.timestamp("us", "UTC"))
        return pa.table(columns | {"updated_at": updated_at})


@dataclass
class Sessions:
    """Sessions of visitors: a new one begins after a gap of `gap_ms`. The order of the file does not matter."""

    gap_ms: int
    _times: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    _starts: dict[str, list[int]] = field(default_factory=dict)

    def add(self, visitor: str, time: int) -> None:
        """Add the time of an event of a visitor (ms since 1970)."""
        self._times[visitor].append(time)

    def find_starts(self) -> None:
        """Compute where sessions begin, after all events were added."""
        for visitor, times in self._times.items():
            times.sort()
            after_gaps = [later for earlier, later in pairwise(times) if later - earlier > self.gap_ms]
            self._starts[visitor] = [times[0], *after_gaps]
        self._times.clear()

    def session_id(self, visitor: str, time: int) -> str:
        """Returns the id of the session that holds an event of a visitor."""
        starts = self._starts[visitor]
        start = starts[bisect_right(starts, time) - 1]
        return "s-" + _hash(f"{visitor}|{start}")


def visitor_of(event: Event) -> str:
    """Returns whose session an event belongs to: the device's, so that a sign-in does not end it, else the user's; "" if unknown."""
    device = event.get("device_id")
    return f"device:{device}" if device else event.get("user_id", "")


def derive_sessions(lines: Iterable[Line], mapping: Mapping, limits: EventLimits | None = None) -> Sessions:
    """Read all lines of a file and return the sessions of the events that have none in the file."""
    sessions = Sessions(mapping.session_gap_minutes * 60_000)
    for line in mapping.prepare(until_damage(lines)):
        result = map_line(line, mapping, None, limits)
        for event in result.events if isinstance(result, Mapped) else ():
            if event["session_id"].startswith(names.UNKNOWN_SESSION) and visitor_of(event):
                sessions.add(visitor_of(event), event["event_time"])
    sessions.find_starts()
    return sessions


def map_lines(
    lines: Iterable[Line],
    mapping: Mapping,
    sessions: Sessions | None,
    products: Products,
    orders: Orders | None = None,
    limits: EventLimits | None = None,
) -> Iterator[Mapped | Rejected]:
    """Yields each line with its events, or rejected, also if an event breaks one of the limits.

    Product states are added to `products`, and order lines to `orders`. Raises DamagedFile after the last readable line.
    """
    orders = Orders() if orders is None else orders
    results: Iterable[Mapped | Rejected] = (map_line(line, mapping, sessions, limits) for line in mapping.prepare(lines))
    if mapping.multi_row:
        results = equal_rows.merge(results, mapping.multi_row.by)
    for mapped in results:
        result = _add_to_orders(mapped, orders) if isinstance(mapped, Mapped) else mapped
        if isinstance(result, Mapped) and result.events and mapping.products:
            products.add_all(_product_states(result, mapping))
        yield result


def map_line(line: Line, mapping: Mapping, sessions: Sessions | None, limits: EventLimits | None = None) -> Mapped | Rejected:
    """Returns one line with its events, or rejected. Whatever a line holds, no other error than a rejection comes of it."""
    if line.values is None:
        return Rejected(line, line.error.split(":")[0], line.error)
    try:
        return Mapped(line, _events(line, mapping, sessions, limits))
    except RejectedLine as error:
        return Rejected(line, error.reason, str(error))
    except Exception as error:
        return Rejected(line, "cannot be mapped", f"cannot be mapped: {type(error).__name__}: {error}")


def _events(line: Line, mapping: Mapping, sessions: Sessions | None, limits: EventLimits | None) -> list[Event]:
    line_hash, events = _hash(line.text), mapping.events(line.values or {})
    for number, event in enumerate(events):
        # Before a session is derived: rejected lines are in no session.
        _require_valid(event, limits)
        _complete(event, line_hash, number, sessions)
        event.setdefault("producer", f"replay-{mapping.name}"[:MAX_PRODUCER])
        _require_valid({name: event[name] for name in DERIVED_FIELDS}, limits)
    return events


def _require_valid(event: Event, limits: EventLimits | None) -> None:
    problem = limits.problem(event) if limits else None
    if problem is not None:
        raise RejectedLine(problem.reason, problem.value)


def _product_states(mapped: Mapped, mapping: Mapping) -> list[tuple[State, int]]:
    """Returns the product states of a line; [] if they cannot be read, since its events are sent all the same."""
    try:
        return list(mapping.product_states(mapped.line.values or {}, mapped.events[0]["event_time"]))
    except Exception:
        return []


def _is_valid_state(state: State) -> bool:
    contract = schema.tables()["landing.products"]
    return not any(broken_limit(contract.field(name), value) for name, value in state.items() if value is not None)


def _add_to_orders(mapped: Mapped, orders: Orders) -> Mapped | Rejected:
    try:
        orders.add(mapped.events)
    except RejectedLine as error:
        return Rejected(mapped.line, error.reason, str(error))
    return mapped


def _complete(event: Event, line_hash: str, number: int, sessions: Sessions | None) -> Event:
    """Add what the line does not hold: an event_id, a session, and the schema version.

    number: position of the event among the events of its line. The event_id of a purchase or refund of an order is a hash of the
    order line, so that it is the same event when it is sent again; that of other events is a hash of the file's line.
    """
    if "event_id" not in event and order_lines.is_order_line(event):
        event["event_id"] = order_lines.line_id(event)
    else:
        line_id = event.get("event_id", line_hash)
        event["event_id"] = f"{line_id}-{number}" if number else line_id
    if "session_id" not in event:
        event["session_id"] = _session(event, sessions)
    event["schema_version"] = names.EVENT_VERSION
    return event


def _session(event: Event, sessions: Sessions | None) -> str:
    """Returns the session that an event's time is in; an event without device and user is in an unknown session of its own."""
    visitor = visitor_of(event)
    return sessions.session_id(visitor, event["event_time"]) if sessions and visitor else names.unknown_session(event["event_id"])


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()
