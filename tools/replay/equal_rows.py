"""Equal rows of one order in a shop's own list of orders: pieces of a product, not a repeat as in a log of events."""

from collections.abc import Iterable, Iterator

from clickstream_contracts import schema
from tools.replay import order_lines
from tools.replay.lines import DamagedFile
from tools.replay.mapped_lines import Event, Mapped, Rejected

# Rows of one order that are kept at a time.
MAX_ROWS = 10_000
MAX_PIECES = schema.event().field("quantity").maximum or 0


def merge(results: Iterable[Mapped | Rejected], order_column: str) -> Iterator[Mapped | Rejected]:
    """Yields the results of lines; of equal purchases in neighbouring rows of an order the first one has all pieces.

    The later rows are sent with it, so they have no event of their own.
    """
    rows: list[Mapped | Rejected] = []
    try:
        for result in results:
            if rows and (_order(result, order_column) != _order(rows[0], order_column) or len(rows) == MAX_ROWS):
                yield from _merged(rows)
                rows = []
            rows.append(result)
    except DamagedFile:
        yield from _merged(rows)
        raise
    yield from _merged(rows)


def _order(result: Mapped | Rejected, order_column: str) -> object:
    return (result.line.values or {}).get(order_column)


def _merged(rows: list[Mapped | Rejected]) -> list[Mapped | Rejected]:
    purchases: dict[tuple[object, ...], Event] = {}
    for row in rows:
        if isinstance(row, Mapped):
            row.events[:] = [event for event in row.events if not _is_added(event, purchases)]
    return rows


def _is_added(event: Event, purchases: dict[tuple[object, ...], Event]) -> bool:
    """Returns whether the pieces of an event were added to those of an equal purchase; otherwise it is kept in `purchases`."""
    if not order_lines.is_order_line(event) or event["event_type"] != "purchase":
        return False
    first = purchases.setdefault(order_lines.merge_key(event), event)
    pieces = first.get("quantity", 1) + event.get("quantity", 1)
    if first is event or pieces > MAX_PIECES:
        return False
    has_derived_id = first["event_id"] == order_lines.line_id(first)
    first["quantity"] = pieces
    if has_derived_id:
        first["event_id"] = order_lines.line_id(first)
    return True
