"""The fraud rules once more, by hand and slowly: what fraud_scores must say of each event of an ordered file.

The limits are those of rules/fraud.yaml as it stands; a changed limit must be changed here too, which is the point.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable
from math import asin, cos, floor, radians, sin, sqrt
from typing import Any

Event = dict[str, Any]
LOOKING = {"page_view", "view_item", "search", "recommendation_impression", "recommendation_click"}
SCORED = {"purchase", "payment_failed", "login", "login_failed"}
SERVED = SCORED | {"profile_change"}
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000


def moment(event: Event) -> int:
    """When the event is taken to have happened: when it arrived, if the shop's servers did it and it was held up for a minute at most."""
    happened = int(event["event_time"])
    arrived = int(event.get("arrived_ms", happened))
    return arrived if event["event_type"] in SERVED and arrived - happened <= MINUTE else happened


class History:
    """The events of each entity in order of their moments, and the window that ends with a moment, all of it included."""

    def __init__(self, events: list[Event], key: str) -> None:
        self._of: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            if event[key] is not None:
                self._of[event[key]].append(event)
        self._times = {entity: [moment(event) for event in found] for entity, found in self._of.items()}
        self._key = key

    def window(self, event: Event, length: int) -> list[Event]:
        entity = event[self._key]
        if entity is None:
            return []
        times = self._times[entity]
        first = bisect_left(times, moment(event) - length)
        return self._of[entity][first : bisect_right(times, moment(event))]


def judge(events: list[Event]) -> dict[str, dict[str, float]]:
    """By event id of every scored event, the parts above 0. Events of one id are judged alike."""
    ordered = sorted(events, key=moment)
    risky = [event for event in ordered if event["event_type"] not in LOOKING]
    everything = {key: History(ordered, key) for key in ("user_id", "device_id")}
    risk = {key: History(risky, key) for key in ("user_id", "device_id", "payment_token")}
    return {
        event["event_id"]: {name: part for name, rule in RULES.items() if (part := rule(event, everything, risk)) > 0}
        for event in risky
        if event["event_type"] in SCORED
    }


Histories = dict[str, History]


def rapid_fire(event: Event, everything: Histories, risk: Histories) -> float:
    return 0.6 if len(everything["user_id"].window(event, 10 * SECOND)) > 5 else 0


def scraping_bot(event: Event, everything: Histories, risk: Histories) -> float:
    views = sum(e["event_type"] == "view_item" for e in everything["device_id"].window(event, 60 * SECOND))
    return 0.8 if views >= 60 else 0.7 if views >= 30 else 0


def card_testing(event: Event, everything: Histories, risk: Histories) -> float:
    seen = risk["device_id"].window(event, 30 * MINUTE)
    cards = {e["payment_token"] for e in seen if e["event_type"] in ("purchase", "payment_failed")} - {None}
    if len({e["event_id"] for e in seen if e["event_type"] == "payment_failed"}) < 2:
        return 0
    return 0.85 if len(cards) >= 4 else 0.6 if len(cards) >= 3 else 0


def card_velocity(event: Event, everything: Histories, risk: Histories) -> float:
    seen = risk["payment_token"].window(event, 10 * MINUTE)
    orders = len({e["order_id"] for e in seen if e["event_type"] == "purchase"})
    return 0.8 if orders > 4 else 0.4 if orders == 4 else 0


def impossible_travel(event: Event, everything: Histories, risk: Histories) -> float:
    seen = risk["user_id"].window(event, 2 * HOUR)
    devices = {e["device_id"] for e in seen} - {None}
    spots = {(e["device_id"], floor(e["latitude"]), floor(e["longitude"])) for e in seen if e["device_id"] and e["latitude"] is not None}
    if len(devices) < 2 or len(spots) > len(devices):
        return 0
    km, since = distance(seen[0], event), event["event_time"] - min(e["event_time"] for e in seen)
    return 0.7 if km > 300 and km * HOUR > since * 900 else 0


def account_takeover(event: Event, everything: Histories, risk: Histories) -> float:
    seen = risk["user_id"].window(event, 15 * MINUTE)
    failures = len({e["event_id"] for e in seen if e["event_type"] == "login_failed"})
    if event["event_type"] in ("login", "login_failed"):
        return 0.6 if failures > 6 else 0
    if event["event_type"] != "purchase" or failures < 3:
        return 0
    if any(e["event_type"] == "profile_change" for e in seen) and event["price"] * event["quantity"] > 100:
        return 0.9
    return 0.7 if len({e["device_id"] for e in seen}) > 1 else 0


def coupon_abuse(event: Event, everything: Histories, risk: Histories) -> float:
    if event["event_type"] != "purchase" or event["coupon"] is None:
        return 0
    seen = risk["device_id"].window(event, 30 * MINUTE)
    users = {e["user_id"] for e in seen if e["event_type"] == "purchase" and (e["coupon"] or "").startswith("WELCOME")} - {None}
    return 0.7 if len(users) > 2 else 0


def distance(here: Event, there: Event) -> int:
    """Whole kilometres between two events, by haversine on a sphere of 6,371 km."""
    a, b = radians(here["latitude"]), radians(there["latitude"])
    across = sin((b - a) / 2) ** 2 + cos(a) * cos(b) * sin(radians(there["longitude"] - here["longitude"]) / 2) ** 2
    return int(12742 * asin(sqrt(across)))


RULES: dict[str, Callable[[Event, Histories, Histories], float]] = {
    rule.__name__: rule
    for rule in (rapid_fire, scraping_bot, card_testing, card_velocity, impossible_travel, account_takeover, coupon_abuse)
}
