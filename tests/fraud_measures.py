"""The measure language of the fraud rules in plain Python: what Flink and Spark must compute, and random events to compare on."""

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from clickstream_contracts.fraud_measures import EVENT_COLUMNS, FUNCTIONS, ORDERED, Measure
from clickstream_contracts.fraud_rules import Part, Pattern

Event = dict[str, Any]
ENTITY = "user_id"
WINDOW, WINDOW_MS = "10 SECOND", 10_000
# First moment of the random events, in milliseconds since 1970.
START = 1_767_312_000_000


@dataclass(frozen=True)
class Case:
    """A measure as the rules write it, and its value and its condition as Python functions of one event."""

    measure: Measure
    value: Callable[[Event], Any]
    where: Callable[[Event], bool] = lambda event: True


def is_purchase(event: Event) -> bool:
    return bool(event["event_type"] == "purchase")


def has_high_amount(event: Event) -> bool:
    return event["amount"] is not None and event["amount"] > 20


def card_on_device(event: Event) -> str | None:
    """CONCAT is null when one of its arguments is."""
    if event["device_id"] is None or event["payment_token"] is None:
        return None
    return f"{event['device_id']} {event['payment_token']}"


def cases() -> dict[str, Case]:
    """Every function, over numbers and texts, with and without a condition."""
    named = {}
    for function in FUNCTIONS:
        for column in ("amount", "event_ms") if function == "sum" else ("amount", "event_ms", "payment_token"):

            def value(event: Event, column: str = column) -> Any:
                return event[column]

            named[f"{function}_{column}"] = Case(Measure(function, column), value)
            condition = Measure(function, column, "event_type = 'purchase'")
            named[f"{function}_{column}_of_purchases"] = Case(condition, value, is_purchase)
    expression = "CONCAT(device_id, ' ', payment_token)"
    named["cards"] = Case(Measure("count_distinct", expression, "amount > 20"), card_on_device, has_high_amount)
    return named


def pattern() -> Pattern:
    """A pattern with all measures of `cases`, so that one query computes them all."""
    measures = {name: case.measure for name, case in cases().items()}
    return Pattern(
        name="all_functions",
        meaning="Every function of the measure language.",
        scope="all_events",
        entity=ENTITY,
        window=WINDOW,
        measures=measures,
        parts=(Part(0.5, "event_ms > 0"),),
        reason="none",
    )


def random_events(seed: int, count: int) -> list[Event]:
    """Events in order of arrival, which is the order of time except for ties: few users, many equal times, nulls everywhere.

    Gaps are multiples of a quarter of the window, so events often lie exactly at its border, or 1 ms beside it.
    """
    rng = random.Random(seed)
    moment = START
    events = []
    for number in range(count):
        moment += rng.choice([0, 0, 1, 2_499, 2_500, 2_500, 2_501, 5_000])
        values = {
            "event_type": rng.choice(["purchase", "login", "payment_failed"]),
            "event_ms": moment,
            "session_id": "s",
            ENTITY: rng.choice(["u1", "u2", "u3", None]),
            "device_id": rng.choice(["d1", "d2", None]),
            "order_id": None,
            "payment_token": rng.choice(["card a", "card b", "kärtchen 💳", None, None]),
            "coupon": None,
            "amount": rng.choice([None, None, 0.1, 0.2, 19.99, 250.0, 1e7 / 3]),
            "reference_amount": None,
            "ip_hash": None,
            "latitude": None,
            "longitude": None,
        }
        events.append({"event_id": f"{rng.choice('abc💳')}{number}"} | values)
    assert set(events[0]) == set(EVENT_COLUMNS)
    return events


def evaluate(events: list[Event]) -> dict[str, dict[str, Any]]:
    """Returns by event id the value of every measure of `cases`."""
    return {event["event_id"]: {name: _evaluate(case, event, events) for name, case in cases().items()} for event in events}


def _evaluate(case: Case, event: Event, events: list[Event]) -> Any:
    window = sorted((other for other in events if _in_window(other, event) and case.where(other)), key=_order)
    if case.measure.function == "previous":
        window = [other for other in window if _order(other) < _order(event)]
    values = [value for other in window if (value := case.value(other)) is not None]
    return _aggregate(case.measure.function, values)


def _in_window(other: Event, event: Event) -> bool:
    """An event without the entity has a window of its own."""
    if event[ENTITY] is None:
        return other is event
    return bool(other[ENTITY] == event[ENTITY] and 0 <= event["event_ms"] - other["event_ms"] <= WINDOW_MS)


def _order(event: Event) -> tuple[int, str]:
    return event["event_ms"], hashlib.md5(event["event_id"].encode(), usedforsecurity=False).hexdigest()


def _aggregate(function: str, values: list[Any]) -> Any:
    if function == "count":
        return len(values)
    if function == "count_distinct":
        return len(set(values))
    if not values:
        return None
    if function == "sum":
        step = Decimal("0.0001")
        return float(sum((Decimal(str(value)).quantize(step, ROUND_HALF_UP) for value in values), Decimal(0)))
    if function in ORDERED:
        return values[0] if function == "first" else values[-1]
    return min(values) if function == "min" else max(values)
