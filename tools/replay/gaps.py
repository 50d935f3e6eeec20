"""What events lack although they are sent: nobody is known to have made them, or a payment has no value."""

from collections.abc import Iterator
from typing import Any, Final

from clickstream_contracts import names

Event = dict[str, Any]
PAYMENTS: Final = ("purchase", "refund")


def gaps_of(event: Event) -> Iterator[str]:
    """Yields what is unknown of an event, in words that complete `3 events ...`."""
    if "user_id" not in event and "device_id" not in event:
        yield "without user and device"
    if event["session_id"].startswith(names.UNKNOWN_SESSION):
        yield "in an unknown session"
    if event["event_type"] in PAYMENTS:
        yield from (f"of a purchase or refund without {field}" for field in ("price", "currency", "order_id") if field not in event)
