"""Makes one event, or the two of a total that cannot be divided, from the values of a line."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from clickstream_contracts import schema
from tools.replay import order_lines
from tools.replay.convert import RejectedLine
from tools.replay.field_rule import FieldRule
from tools.replay.lookup import Values, look_up
from tools.replay.numbers import exact

Event = dict[str, Any]
# Replay derives these where the file has none.
DERIVED_FIELDS: Final = {"event_id", "session_id", "schema_version"}
# Fields without which a line is rejected.
REQUIRED_FIELDS: Final = {f.name for f in schema.event().fields if f.required} - DERIVED_FIELDS


@dataclass(frozen=True)
class EventRules:
    """The rules of an event's fields.

    total: the price of all pieces of a line together, instead of a rule for `price`. when: a column, "" for every line; the event
    exists if the column has a number other than 0. is_optional: whether the file may lack that column. negative_quantity: the type
    of a purchase of less than no pieces, "" if there must be none.
    """

    fields: tuple[FieldRule, ...]
    total: FieldRule | None = None
    when: str = ""
    is_optional: bool = False
    negative_quantity: str = ""

    def applies(self, values: Values) -> bool:
        """Returns whether a line has this event."""
        value = look_up(values, self.when) if self.when else 1
        try:
            return value not in (None, "") and exact(value) != 0
        except ValueError:
            raise RejectedLine(f"{self.when}: not a number", repr(value)) from None

    def events(self, values: Values, is_element: bool = True) -> Iterator[Event]:
        """Yields the event of a line, or of one element of its list. Raises RejectedLine if a required field has no value."""
        event = self._signed(self._event(values, is_element))
        total = self.total.read(values, is_element) if self.total else None
        if total is None:
            yield event
            return
        if event.get("quantity", 1) == 0:
            raise RejectedLine("quantity: 0 pieces of a line with a total")
        yield from order_lines.with_total(event, total)

    def _event(self, values: Values, is_element: bool) -> Event:
        event = {}
        for rule in self.fields:
            value = rule.read(values, is_element)
            if value is not None:
                event[rule.name] = value
            elif rule.name in REQUIRED_FIELDS:
                raise RejectedLine(f"{rule.name}: no value")
        return event

    def _signed(self, event: Event) -> Event:
        """Returns the event with a positive quantity, and, if it is a refund, a positive price."""
        if event.get("quantity", 0) < 0 and event["event_type"] == "purchase":
            if not self.negative_quantity:
                raise RejectedLine(
                    "quantity: negative", f"{event['quantity']}; if it is a return, write `negative_quantity: refund` in the mapping"
                )
            event["event_type"] = self.negative_quantity
        if event["event_type"] == "refund":
            event.update({name: abs(event[name]) for name in ("quantity", "price") if name in event})
        return event
