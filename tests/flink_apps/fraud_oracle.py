"""A second, slow implementation of the fraud rules: the expected part scores of each event of a file.

The limits are those of rules/fraud.yaml. They are repeated on purpose: a changed limit must be changed here too.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable
from hashlib import md5
from typing import Any

from tests.flink_apps.places import cell, distance

Event = dict[str, Any]
BROWSE_EVENTS = {"page_view", "view_item", "search", "recommendation_impression", "recommendation_click"}
SCORED_EVENTS = {"purchase", "payment_failed", "login", "login_failed"}
SERVER_EVENTS = SCORED_EVENTS | {"profile_change"}
ALL_EVENTS_PATTERNS = {"rapid_fire", "scraping_bot"}
REVIEW_FROM = 0.5
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000


def event_timestamp(event: Event) -> int:
    """Returns the time by which an event is ordered, in ms: its arrival if a server sent it and it was delayed by at most an hour.

    A click counts at its own time, at most that of its arrival.
    """
    event_time = int(event["event_time"])
    arrived = int(event.get("arrived_ms", event_time))
    if event["event_type"] in SERVER_EVENTS and arrived - event_time <= HOUR:
        return arrived
    return min(event_time, arrived)


# The fields that patterns count by.
KEYS = ("user_id", "device_id", "payment_token", "ip_hash")


class EntityEvents:
    """The events of each entity in order of their timestamps. `key` is the field that holds the entity."""

    def __init__(self, events: list[Event], key: str) -> None:
        self._events: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            if event.get(key) is not None:
                self._events[event[key]].append(event)
        self._timestamps = {entity: [event_timestamp(event) for event in events] for entity, events in self._events.items()}
        self._key = key

    def window(self, event: Event, length: int) -> list[Event]:
        """Returns the events of the same entity in the `length` ms before the event's timestamp, both ends included."""
        entity = event.get(self._key)
        if entity is None:
            return []
        timestamps = self._timestamps[entity]
        end = event_timestamp(event)
        return self._events[entity][bisect_left(timestamps, end - length) : bisect_right(timestamps, end)]


def in_order(events: list[Event]) -> tuple[list[Event], list[Event]]:
    """Returns all events in order of their timestamps, and those of them that are no browse events."""
    ordered = sorted(events, key=event_timestamp)
    return ordered, [event for event in ordered if event["event_type"] not in BROWSE_EVENTS]


# By field, the events of each entity.
EventsByKey = dict[str, EntityEvents]


def by_key(events: list[Event]) -> EventsByKey:
    return {key: EntityEvents(events, key) for key in KEYS}


def expected_parts(events: list[Event]) -> dict[str, dict[str, float]]:
    """Returns by event id of every scored event its part scores above 0. Events with the same id have the same parts."""
    ordered, not_browsing = in_order(events)
    all_events, risk_events = by_key(ordered), by_key(not_browsing)
    expected = {}
    for event in not_browsing:
        if event["event_type"] in SCORED_EVENTS:
            parts = {name: rule(event, all_events, risk_events) for name, rule in RULES.items()}
            expected[event["event_id"]] = {name: part for name, part in parts.items() if part > 0}
    return expected


def flagged_patterns(events: list[Event]) -> dict[str, set[str]]:
    """Returns by event id the patterns that give the event, of whatever type, at least REVIEW_FROM; only events with any."""
    ordered, not_browsing = in_order(events)
    all_events, risk_events = by_key(ordered), by_key(not_browsing)
    flagged: dict[str, set[str]] = defaultdict(set)
    for name, rule in RULES.items():
        for event in ordered if name in ALL_EVENTS_PATTERNS else not_browsing:
            if rule(event, all_events, risk_events) >= REVIEW_FROM:
                flagged[event["event_id"]].add(name)
    return flagged


def highest_part(value: int, parts: dict[int, float]) -> float:
    """Returns the part of the highest limit that `value` reaches, 0 if it reaches none. `parts`: part by limit."""
    return max((part for limit, part in parts.items() if value >= limit), default=0)


def span(window: list[Event], shortest: int) -> int:
    """Returns the ms from the first to the last event time of a window, at least `shortest`."""
    times = [int(e["event_time"]) for e in window]
    return max(max(times) - min(times), shortest)


def rapid_fire(event: Event, all_events: EventsByKey, risk_events: EventsByKey) -> float:
    window = all_events["user_id"].window(event, 10 * SECOND)
    if not window:
        return 0
    lines = [e for e in window if e["event_type"] in ("purchase", "refund") and e["order_id"]]
    orders = {(e["event_type"], e["order_id"]) for e in lines}
    line_ids = {e["event_id"] for e in lines}
    others = {e["event_id"] for e in window if e["event_type"] != "recommendation_impression" and e["event_id"] not in line_ids}
    return 0.6 if (len(orders) + len(others)) * 10 * SECOND > 5 * span(window, 10 * SECOND) else 0


def scraping_bot(event: Event, all_events: EventsByKey, risk_events: EventsByKey) -> float:
    window = all_events["device_id"].window(event, MINUTE)
    if not window:
        return 0
    views = sum(e["event_type"] == "view_item" for e in window)
    per_minute = views * MINUTE / span(window, MINUTE)
    return 0.8 if per_minute >= 60 else 0.7 if per_minute >= 30 else 0


def of_type(events: list[Event], *types: str) -> list[Event]:
    return [e for e in events if e["event_type"] in types]


class Payments:
    """The payments among the events of a window: numbers of cards, of payments, and of those that were refused."""

    def __init__(self, window: list[Event]) -> None:
        self.events = of_type(window, "purchase", "payment_failed")
        self.cards = len(distinct(self.events, "payment_token"))
        self.all = len({(e["event_type"], *self._order_and_card(e)) for e in self.events})
        self.refused = len({self._order_and_card(e) for e in of_type(self.events, "payment_failed")})

    @staticmethod
    def _order_and_card(event: Event) -> tuple[str, str]:
        return event["order_id"] or event["event_id"], event["payment_token"] or ""

    @property
    def half_refused(self) -> bool:
        return self.refused * 2 >= self.all


def distinct(events: list[Event], field: str) -> set[Any]:
    """Returns the different values of a field that are not None."""
    return {e.get(field) for e in events} - {None}


def amount(event: Event) -> float | None:
    quantity = 1 if event["quantity"] is None else event["quantity"]
    return None if event["price"] is None else round(event["price"] * quantity, 2)


def card_testing(event: Event, all_events: EventsByKey, risk_events: EventsByKey) -> float:
    window = risk_events["device_id"].window(event, 30 * MINUTE)
    payments = Payments(window)
    users = len(distinct(window, "user_id"))
    amounts = {amount(e) for e in payments.events} - {None}
    baskets = {e["order_id"] or amount(e) for e in payments.events} - {None}
    if users <= 1 and (len(baskets) <= 1 or (users == 1 and len(amounts) <= 1)) and payments.cards <= 8:
        return 0
    if payments.half_refused and payments.refused >= 2 and payments.cards >= 3:
        return 0.85 if payments.cards >= 4 else 0.6
    many = payments.cards >= 12 and payments.refused >= 4 and payments.refused * 4 >= payments.all
    return 0.6 if many and payments.cards > users * 2 else 0


def coupon_abuse(event: Event, all_events: EventsByKey, risk_events: EventsByKey) -> float:
    if event["event_type"] != "purchase" or event["coupon"] is None:
        return 0
    window = risk_events["device_id"].window(event, 30 * MINUTE)
    users = distinct([e for e in of_type(window, "purchase") if (e["coupon"] or "").startswith("WELCOME")], "user_id")
    return 0.7 if len(users) > 2 else 0


SIGN_IN_EVENTS = ("login", "login_failed", "profile_change")


def device_stuffing(event: Event, all_events: EventsByKey, risk_events: EventsByKey) -> float:
    if event["event_type"] not in SIGN_IN_EVENTS:
        return 0
    window = risk_events["device_id"].window(event, 30 * MINUTE)
    return highest_part(len(distinct(of_type(window, "login_failed"), "user_id")), {10: 0.8, 5: 0.7})


def card_velocity(event: Event, all_events: EventsByKey, risk_events: EventsByKey) -> float:
    window = risk_events["payment_token"].window(event, 10 * MINUTE)
    return highest_part(len(distinct(of_type(window, "purchase"), "order_id")), {5: 0.8, 4: 0.4})


def card_guessing(event: Event, all_events: EventsByKey, risk_events: EventsByKey) -> float:
    window = risk_events["payment_token"].window(event, 10 * MINUTE)
    return highest_part(len(distinct(of_type(window, "payment_failed"), "event_time")), {10: 0.8, 5: 0.6})


def account_takeover(event: Event, all_events: EventsByKey, risk_events: EventsByKey) -> float:
    window = risk_events["user_id"].window(event, 15 * MINUTE)
    failures = len(distinct(of_type(window, "login_failed"), "event_id"))
    if event["event_type"] != "purchase" or failures < 3:
        return 0
    spent = sum(reference_amount(e) for e in of_type(window, "purchase"))
    if of_type(window, "profile_change") and spent > 100:
        return 0.9
    if len(distinct(window, "device_id")) > 1:
        return 0.7
    return 0.6 if failures > 6 and spent > 100 else 0


# Units of a currency per euro, for the currencies of the simulated shop.
RATES = {"USD": 1.16, "GBP": 0.87, "JPY": 175, "CAD": 1.6, "AUD": 1.75, "CHF": 0.94, "BRL": 6.2, "PLN": 4.25, "SEK": 11, "INR": 102}


def reference_amount(event: Event) -> float:
    return (amount(event) or 0) / RATES.get((event.get("currency") or "").strip().upper(), 1)


def password_guessing(event: Event, all_events: EventsByKey, risk_events: EventsByKey) -> float:
    window = risk_events["user_id"].window(event, 15 * MINUTE)
    failures = len(distinct(of_type(window, "login_failed"), "event_id"))
    return 0.6 if event["event_type"] == "login_failed" and failures > 6 else 0


def impossible_travel(event: Event, all_events: EventsByKey, risk_events: EventsByKey) -> float:
    if event["event_type"] not in ("purchase", "payment_failed", "login", "profile_change"):
        return 0
    window = [e for e in risk_events["user_id"].window(event, 2 * HOUR) if e["latitude"] is not None and e["event_type"] != "login_failed"]
    if not window or event["latitude"] is None or distance(first_of(window), event) < 300:
        return 0
    here = cell(event)
    if any(device(e) == device(event) and distance(cell(e), here) >= 300 for e in window):
        return 0
    jumps = []
    for e in window:
        km, elapsed = distance(cell(e), here), event_timestamp(event) - event_timestamp(e)
        if device(e) != device(event) and km >= 300:
            jumps.append((km * MINUTE // (elapsed + MINUTE), km, elapsed // MINUTE))
    if not jumps:
        return 0
    _, km, minutes = max(jumps)
    return 0.7 if km * 60 > minutes * 900 else 0


def first_of(window: list[Event]) -> Event:
    """Returns the first event; of equal times the one with the smallest MD5 of its id."""
    return min(window, key=lambda e: (event_timestamp(e), md5(e["event_id"].encode(), usedforsecurity=False).hexdigest()))


def device(event: Event) -> str:
    return str(event["device_id"] or event["session_id"])


def refund_abuse(event: Event, all_events: EventsByKey, risk_events: EventsByKey) -> float:
    window = risk_events["user_id"].window(event, 2 * HOUR)
    return 0.6 if len(distinct(of_type(window, "refund"), "order_id")) >= 4 else 0


def card_testing_address(event: Event, all_events: EventsByKey, risk_events: EventsByKey) -> float:
    payments = Payments(risk_events["ip_hash"].window(event, 30 * MINUTE))
    if payments.cards >= 10 and payments.half_refused and len(distinct(payments.events, "user_id")) * 2 <= payments.cards:
        return 0.85
    return 0.6 if payments.cards >= 20 and payments.refused * 10 >= payments.all * 7 else 0


def credential_stuffing(event: Event, all_events: EventsByKey, risk_events: EventsByKey) -> float:
    if event["event_type"] not in SIGN_IN_EVENTS:
        return 0
    window = risk_events["ip_hash"].window(event, 30 * MINUTE)
    failed, logins = of_type(window, "login_failed"), of_type(window, "login")
    failed_users = len(distinct(failed, "user_id"))
    if failed_users >= 10 and failed_users * 2 > len(distinct(failed + logins, "user_id")):
        return 0.85 if failed_users >= 20 else 0.6
    failures = len(distinct(failed, "event_id"))
    return 0.6 if failures >= 60 and failures > 4 * len(distinct(logins, "event_id")) else 0


RULES: dict[str, Callable[[Event, EventsByKey, EventsByKey], float]] = {
    rule.__name__: rule
    for rule in (
        rapid_fire,
        scraping_bot,
        card_testing,
        coupon_abuse,
        device_stuffing,
        card_velocity,
        card_guessing,
        account_takeover,
        password_guessing,
        impossible_travel,
        refund_abuse,
        card_testing_address,
        credential_stuffing,
    )
}
