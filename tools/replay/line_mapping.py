"""A mapping: which columns of a file become which fields of events and of product states. `tools.replay.mapping` reads it from YAML."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from clickstream_contracts import sessions
from tools.common.command import UsageError
from tools.replay import elements, order_lines
from tools.replay.convert import NoEvent, RejectedLine
from tools.replay.elements import ListRule
from tools.replay.event_rules import Event, EventRules
from tools.replay.field_rule import FieldRule
from tools.replay.lookup import Values, is_column
from tools.replay.multi_row import MultiRow
from tools.replay.reading_options import ReadingOptions
from tools.replay.sources import Line

State = dict[str, Any]
MAX_SHOWN_COLUMNS: Final = 50


@dataclass(frozen=True)
class Mapping:
    """The rules of a file.

    `lists` are from the outside in; each element of the innermost one is an event. `also` are more events of a line. `users`,
    `products` and `currency_rates` are the columns of files of these; `products` is also read from each event's line.
    """

    name: str
    event_rules: EventRules
    also: tuple[EventRules, ...] = ()
    products: tuple[FieldRule, ...] = ()
    users: tuple[FieldRule, ...] = ()
    currency_rates: tuple[FieldRule, ...] = ()
    lists: tuple[ListRule, ...] = ()
    multi_row: MultiRow | None = None
    session_gap_minutes: int = sessions.PAUSE_MINUTES
    reading: ReadingOptions = field(default_factory=ReadingOptions)

    @property
    def fields(self) -> tuple[FieldRule, ...]:
        """The rules of the fields of an event."""
        return self.event_rules.fields

    @property
    def derives_sessions(self) -> bool:
        """Whether events may have no session in the file, so that it is derived from their times."""
        return all(rule.name != "session_id" or rule.optional for rule in self.fields)

    def has_columns(self, columns: set[str]) -> bool:
        """Returns whether a file with these columns has all that the mapping needs."""
        return self._missing_column(columns) is None

    def require_columns(self, columns: set[str], file: str) -> None:
        """Raises UsageError if the file lacks a column that the mapping needs. Columns of elements are not known before they are read."""
        missing = self._missing_column(columns)
        if missing is None:
            return
        column, what = missing
        existing = ", ".join(sorted(columns)[:MAX_SHOWN_COLUMNS]) or "none"
        more = f" and {len(columns) - MAX_SHOWN_COLUMNS} more" if len(columns) > MAX_SHOWN_COLUMNS else ""
        raise UsageError(
            f"{file}: no column {column!r}, which mapping {self.name} reads {what}; the columns are {existing}{more}:"
            " use another mapping, or write your own"
        )

    def _missing_column(self, columns: set[str]) -> tuple[str, str] | None:
        """Returns the first column that is missing, and what is read from it."""
        known = columns | {rule.name for rule in self.lists}
        for rule in (*self.fields, *self.products):
            missing = rule.missing_column(known)
            if missing is not None:
                return missing, f"{rule.name} from"
        if self.multi_row and not is_column(self.multi_row.by, columns):
            return self.multi_row.by, "the order of a row from"
        # Without the column no line would have the event, for example no refund, without an error.
        missing_when = (rules.when for rules in self.also if not rules.is_optional and not is_column(rules.when, known))
        return next(((column, "another event of a line from") for column in missing_when), None)

    def require_lists(self, lines: Iterable[Line], file: str) -> None:
        """Raises UsageError if no line has an element of a list that must exist. Reads lines until each such list was found."""
        missing = [(position, rule) for position, rule in enumerate(self.lists) if not rule.optional]
        for line in lines if missing else ():
            values = line.values or {}
            missing = [(n, rule) for n, rule in missing if not elements.has_any(values, rule, self.lists[:n])]
            if not missing:
                return
        for _, rule in missing:
            paths = " or ".join(map(repr, rule.paths))
            raise UsageError(
                f"{file}: each: no line has a list {paths}: correct its name in mapping {self.name}, or add `optional: true`"
                " if this file has only lines without it"
            )

    def prepare(self, lines: Iterable[Line]) -> Iterable[Line]:
        """Returns the lines with the values that a row shares with other rows of the same order."""
        return self.multi_row.lines(lines) if self.multi_row else lines

    def events(self, values: Values) -> list[Event]:
        """Returns the events of a line, at least one. Raises RejectedLine if there are none, or if one cannot be made."""
        events: list[Event] = []
        left_out: list[NoEvent] = []
        for around, inside in elements.groups(values, self.lists):
            events += order_lines.merge_equal(self._events_of_group(around, inside, left_out))
        if not events:
            raise left_out[0] if left_out else RejectedLine("no event in this line")
        extra = [event for rules in self.also if rules.applies(values) for event in rules.events(values, is_element=False)]
        return events + extra

    def _events_of_group(self, around: Values, inside: list[Values], left_out: list[NoEvent]) -> list[Event]:
        """Returns the events of the elements of a list, or that of the line around an empty one."""
        if not inside:
            return self._events_of_one(around, not self.lists, left_out)
        events = [event for values in inside for event in self._events_of_one(values, True, left_out)]
        if any("price" in event for event in events) or not any(event["event_type"] in order_lines.TYPES for event in events):
            return events
        # The products have no prices: the value of the order, if the line has one, is that of its only product, or of one more event.
        whole = [event for event in self._events_of_one(around, False, left_out) if "price" in event]
        if whole and len(events) == 1 and events[0].get("quantity", 1) > 0:
            return list(order_lines.with_total(events[0], whole[0]["price"]))
        return events + whole

    def _events_of_one(self, values: Values, is_element: bool, left_out: list[NoEvent]) -> list[Event]:
        try:
            return list(self.event_rules.events(values, is_element))
        except NoEvent as no_event:
            left_out.append(no_event)
            return []

    def product_states(self, values: Values, line_time: int) -> Iterator[tuple[State, int]]:
        """Yields the states of the products in a line, each with the time of its event; times in ms since 1970.

        line_time: of the line's first event, for elements that have no time of their own.
        """
        for around, inside in elements.groups(values, self.lists):
            for element in inside or [around]:
                try:
                    state = {rule.name: rule.read(element, bool(inside) or not self.lists) for rule in self.products}
                    yield state, self._element_time_rule.read(element) if self._element_time_rule else line_time
                except RejectedLine:
                    # The event is sent; only its product state cannot be read.
                    continue

    @cached_property
    def _element_time_rule(self) -> FieldRule | None:
        """The rule of event_time, None if it reads no column of an element."""
        names = tuple(f"{rule.name}." for rule in self.lists)
        rules = (rule for rule in self.fields if rule.name == "event_time")
        return next((rule for rule in rules if any(path.startswith(names) for path in rule.paths)), None) if names else None
