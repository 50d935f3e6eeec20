"""A second, slow implementation of the fraud rules: the expected part scores of each event of a file.

The limits are those of rules/fraud.yaml. They are repeated on purpose: a changed limit must be changed here too.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable
from math import asin, cos, floor, radians, sin, sqrt
from typing import Any

Event = dict[str, Any]
BROWSE_EVENTS = {"page_view", "view_item", "search", "recommendation_impression", "recommendation_click"}
SCORED_EVENTS = {"purchase", "payment_failed", "login", "login_failed"}
SERVER_EVENTS = SCORED_EVENTS | {"profile_change"}
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000


def event_timestamp(event: Event) -> int:
    """Returns the time by which an event is ordered, in ms: its arrival if a server sent it and it was delayed by at most a minute."""
    event_time = int(event["event_time"])
    arrived = int(event.get("arrived_ms", event_time))
    if event["event_type"] in SERVER_EVENTS and arrived - event_time <= MINUTE:
        return arrived
    return event_time


class EntityEvents:
    """The events of each entity in order of their timestamps. `key` is the field that holds the entity."""

    def __init__(self, events: list[Event], key: str) -> None:
        self._events: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            if event[key] is not None:
                self._events[event[key]].append(event)
        self._timestamps = {entity: [event_timestamp(event) for event in events] for entity, events in self._events.items()}
        self._key = key

    def window(self, event: Event, length: int) -> list[Event]:
        """Returns the events of the same entity in the `length` ms before the event's timestamp, both ends included."""
        entity = event[self._key]
        if entity is None:
            return []
        timestamps = self._timestamps[entity]
        end = event_timestamp(event)
        return self._events[entity][bisect_left(timestamps, end - length) : bisect_right(timestamps, end)]


def expected_parts(events: list[Event]) -> dict[str, dict[str, float]]:
    """Returns by event id of every scored event its part scores above 0. Events with the same id have the same parts."""
    ordered = sorted(events, key=event_timestamp)
    not_browsing = [event for event in ordered if event["event_type"] not in BROWSE_EVENTS]
    all_events = {key: EntityEvents(ordered, key) for key in ("user_id", "device_id")}
    risk_events = {key: EntityEvents(not_browsing, key) for key in ("user_id", "device_id", "payment_token")}
    expected = {}
    for event in not_browsing:
        if event["event_type"] in SCORED_EVENTS:
            parts = {name: rule(event, all_events, risk_events) for name, rule in RULES.items()}
            expected[event["event_id"]] = {name: part for name, part in parts.items() if part > 0}
    return expected


# By field, the events of each entity.
EventsByKey = dict[str, EntityEvents]


def highest_part(value: int, parts: dict[int, float]) -> float:
    """Returns the part of the highest limit that `value` reaches, 0 if it reaches none. `parts`: part by limit."""
    return max((part for limit, part in parts.items() if value >= limit), default=0)


def rapid_fire(event: Event, all_events: EventsByKey, risk_events: EventsByKey) -> float:
    window = all_events["user_id"].window(event, 10 * SECOND)
    order_lines = [(e["event_type"], e["order_id"]) for e in window if e["event_type"] in ("purchase", "refund") and e["order_id"]]
    return 0.6 if len(window) - len(order_lines) + len(set(order_lines)) > 5 else 0


def scraping_bot(event: Event, all_events: EventsByKey, risk_events: EventsByKey) -> float:
    views = sum(e["event_type"] == "view_item" for e in all_events["device_id"].window(event, 60 * SECOND))
    return highest_part(views, {60: 0.8, 30: 0.7})


def card_testing(event: Event, all_events: EventsByKey, risk_events: EventsByKey) -> float:
    window = risk_events["device_id"].window(event, 30 * MINUTE)
    cards = {e["payment_token"] for e in window if e["event_type"] in ("purchase", "payment_failed")} - {None}
    if len({e["event_id"] for e in window if e["event_type"] == "payment_failed"}) < 2:
        return 0
    return highest_part(len(cards), {4: 0.85, 3: 0.6})


def card_velocity(event: Event, all_events: EventsByKey, risk_events: EventsByKey) -> float:
    window = risk_events["payment_token"].window(event, 10 * MINUTE)
    orders = len({e["order_id"] for e in window if e["event_type"] == "purchase"})
    return highest_part(orders, {5: 0.8, 4: 0.4})


def impossible_travel(event: Event, all_events: EventsByKey, risk_events: EventsByKey) -> float:
    window = risk_events["user_id"].window(event, 2 * HOUR)
    devices = {e["device_id"] for e in window} - {None}
    located = [e for e in window if e["device_id"] and e["latitude"] is not None]
    device_places = {(e["device_id"], floor(e["latitude"]), floor(e["longitude"])) for e in located}
    if len(devices) < 2 or len(device_places) > len(devices):
        return 0
    km, elapsed = distance(window[0], event), event["event_time"] - min(e["event_time"] for e in window)
    return 0.7 if km > 300 and km * HOUR > elapsed * 900 else 0


def account_takeover(event: Event, all_events: EventsByKey, risk_events: EventsByKey) -> float:
    window = risk_events["user_id"].window(event, 15 * MINUTE)
    failures = len({e["event_id"] for e in window if e["event_type"] == "login_failed"})
    if event["event_type"] in ("login", "login_failed"):
        return 0.6 if failures > 6 else 0
    if event["event_type"] != "purchase" or failures < 3:
        return 0
    quantity = 1 if event["quantity"] is None else event["quantity"]
    if any(e["event_type"] == "profile_change" for e in window) and event["price"] * quantity > 100:
        return 0.9
    return 0.7 if len({e["device_id"] for e in window}) > 1 else 0


def coupon_abuse(event: Event, all_events: EventsByKey, risk_events: EventsByKey) -> float:
    if event["event_type"] != "purchase" or event["coupon"] is None:
        return 0
    window = risk_events["device_id"].window(event, 30 * MINUTE)
    users = {e["user_id"] for e in window if e["event_type"] == "purchase" and (e["coupon"] or "").startswith("WELCOME")} - {None}
    return 0.7 if len(users) > 2 else 0


def distance(first: Event, second: Event) -> int:
    """Returns the whole kilometres between two events: haversine on a sphere of 6,371 km."""
    first_latitude, second_latitude = radians(first["latitude"]), radians(second["latitude"])
    longitudes = radians(second["longitude"] - first["longitude"])
    haversine = sin((second_latitude - first_latitude) / 2) ** 2 + cos(first_latitude) * cos(second_latitude) * sin(longitudes / 2) ** 2
    return int(12742 * asin(sqrt(haversine)))


RULES: dict[str, Callable[[Event, EventsByKey, EventsByKey], float]] = {
    rule.__name__: rule
    for rule in (rapid_fire, scraping_bot, card_testing, card_velocity, impossible_travel, account_takeover, coupon_abuse)
}
