"""Order lines: purchases and refunds of one product of one order. The same line sent again is a repeat, and an order has one currency."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Final

from clickstream_contracts import currencies
from tools.replay.convert import RejectedLine, shown

Event = dict[str, Any]
TYPES: Final = ("purchase", "refund")
# Two purchases with the same values of these fields are the same order line.
LINE_FIELDS: Final = ("event_type", "order_id", "product_id", "price", "quantity", "currency")


def is_order_line(event: Event) -> bool:
    """Returns whether an event is a purchase or refund of a known order."""
    return event.get("event_type") in TYPES and "order_id" in event


def line_id(event: Event) -> str:
    """Returns an id that is the same each time the same order line is sent, whatever its time and session.

    Only refunds of one product at two times are two lines: customers return pieces one by one.
    """
    is_piece_returned = event["event_type"] == "refund" and "product_id" in event
    fields = (*LINE_FIELDS, "event_time") if is_piece_returned else LINE_FIELDS
    values = "\x1f".join(repr(event.get(name)) for name in fields)
    return "line-" + hashlib.sha256(values.encode(errors="surrogatepass")).hexdigest()[:32]


def merge_equal(events: list[Event]) -> list[Event]:
    """Returns the events of one line of a file; equal products of one order at the same price are one event with the sum of the pieces.

    Otherwise the second one would be taken for a repeat of the first.
    """
    if len(events) < 2:
        return events
    merged: dict[tuple[Any, ...], Event] = {}
    for position, event in enumerate(events):
        key = merge_key(event) if is_order_line(event) else (position,)
        if key in merged:
            first = merged[key]
            first["quantity"] = first.get("quantity", 1) + event.get("quantity", 1)
        else:
            merged[key] = event
    return list(merged.values())


def merge_key(event: Event) -> tuple[Any, ...]:
    """Returns what equal products of one order have in common, whatever their quantities."""
    return tuple(event.get(name) for name in LINE_FIELDS if name != "quantity")


def with_total(event: Event, total: float) -> Iterator[Event]:
    """Yields an event of a product with its share of a total as price: one event, or two if the pieces cannot all have the same price.

    Raises RejectedLine for a total of more digits than decimals can hold.
    """
    try:
        parts = list(split_total(Decimal(repr(abs(total))), event.get("quantity", 1), event.get("currency", "")))
    except InvalidOperation:
        raise RejectedLine("line_total: out of range", shown(total)) from None
    yield from ({**event, "quantity": quantity, "price": price} for quantity, price in parts)


def split_total(total: Decimal, pieces: int, currency: str) -> Iterator[tuple[int, float]]:
    """Yields (pieces, price of one piece) whose sum is exactly the total of a line, rounded to the decimals of the currency.

    10.00 EUR for 3 pieces are 2 at 3.33 and 1 at 3.34.
    """
    smallest_unit = Decimal(1).scaleb(-currencies.decimals(currency))
    rounded = total.quantize(smallest_unit, ROUND_HALF_UP)
    price = (rounded / pieces).quantize(smallest_unit, ROUND_DOWN)
    dearer = int((rounded - price * pieces) / smallest_unit)
    if pieces > dearer:
        yield pieces - dearer, float(price)
    if dearer:
        yield dearer, float(price + smallest_unit)


@dataclass
class Orders:
    """What a run has seen of each order: its currency, and its lines, of which the repeats are counted."""

    repeats: int = 0
    _currencies: dict[str, str] = field(default_factory=dict)
    _lines: set[bytes] = field(default_factory=set)

    def add(self, events: list[Event]) -> None:
        """Add the events of a line of the file. Raises RejectedLine, and adds none, if an order would have two currencies."""
        lines = [event for event in events if is_order_line(event)]
        if not lines:
            return
        seen: dict[str, str] = {}
        for event in lines:
            order, currency = event["order_id"], event.get("currency")
            first = seen.get(order) or self._currencies.get(order)
            if currency and first and first != currency:
                raise RejectedLine("currency: another one than the order's earlier lines", f"order {order!r} has {first} and {currency}")
            if currency:
                seen[order] = currency
        self._currencies |= seen
        for event in lines:
            self._count(event)

    def _count(self, event: Event) -> None:
        key = hashlib.blake2b(line_id(event).encode(), digest_size=10).digest()
        self.repeats += key in self._lines
        self._lines.add(key)
