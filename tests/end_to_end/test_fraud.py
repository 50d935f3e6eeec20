"""Attacks on a live shop: each raises an alert, every payment is scored once, and scores do not wait for the next event."""

import json
import time
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from clickstream_contracts import names
from clickstream_contracts.fraud_rules import rules
from tests.shop_day import Shop, eventually
from tools.fraud.detection import detection
from tools.kafka.producer import Records, Sender
from tools.ledger.journal import Journal
from tools.ledger.record_kinds import REPLAYED
from tools.shop.labels import ATTACKS

# No late events: the stream does not score them, and an attack may be detected by one event only.
LIVE = ("live", "--rate", "200", "--seconds", "60", "--seed", "77", "--attacks", "2", "--late", "0", "--json")
VIEWS = 7


@pytest.fixture(scope="module")
def live(shop: Shop) -> dict[str, int]:
    """The summary of a minute of a shop under attack."""
    return dict(json.loads(shop.run("tools.shop", *LIVE).stdout))


def view(user: str, number: int) -> bytes:
    """Returns a view of a product with the current time."""
    ids = {"event_id": f"{user}-{number}", "user_id": user, "session_id": user, "schema_version": names.EVENT_VERSION}
    product = {"event_type": "view_item", "product_id": "p-1", "quantity": 1, "price": 9.5, "currency": "EUR"}
    return json.dumps(ids | product | {"event_time": int(time.time() * 1000)}).encode()


def test_each_attack_raises_an_alert(shop: Shop, live: dict[str, int]) -> None:
    def all_detected() -> bool:
        patterns = detection(shop.settings)["patterns"]
        return all(patterns[pattern]["detected"] for pattern in ATTACKS)

    eventually(all_detected, f"an alert for each of {ATTACKS}")


def test_every_payment_and_login_has_one_score_or_is_late(shop: Shop, live: dict[str, int]) -> None:
    rows = shop.table("raw.clicks", columns=("event_id", "event_type", "event_time")).to_pylist()
    live_rows = [row for row in rows if row["event_time"].timestamp() * 1000 >= live["start"]]
    sent = {row["event_id"] for row in live_rows if row["event_type"] in rules().scored_events}
    assert len(sent) > 50

    def missing() -> set[str]:
        scored = {row["event_id"] for row in shop.table("raw.fraud_scores", columns=("event_id",)).to_pylist()}
        return sent - scored - {late["event_id"] for late in shop.topic(names.LATE_CLICKS_TOPIC)}

    eventually(lambda: not missing(), "a score for each payment and login")
    scores = Counter(score["event_id"] for score in shop.topic(names.FRAUD_SCORES_TOPIC))
    copies = Counter(row["event_id"] for row in shop.table("raw.clicks", columns=("event_id",)).to_pylist())
    assert {event: count for event, count in scores.items() if count > copies[event]} == {}


def test_the_last_user_before_idle_time_is_flagged(shop: Shop, live: dict[str, int]) -> None:
    """No later event advances the watermark of the stream."""
    time.sleep(8)
    user = f"u-rapid-fire-{time.time():.0f}"
    with Journal(shop.settings, user, {}) as journal:
        sender = Sender(shop.settings, journal)
        for i in range(VIEWS):
            sender.send(Records([f"{user}-{i}"], [REPLAYED], [user.encode()], [view(user, i)]), [i])
            sender.flush()
            time.sleep(0.5)

    def user_alerts() -> list[dict[str, Any]]:
        return [alert for alert in shop.topic(names.FRAUD_ALERTS_TOPIC) if alert["entity"] == user and alert["pattern"] == "rapid_fire"]

    eventually(lambda: bool(user_alerts()), "an alert about the last user", seconds=60)
    alert = user_alerts()[0]
    raised_at = datetime.fromisoformat(alert["raised_at"]).timestamp()
    print(f"alert raised {raised_at - alert['event_time'] / 1000:.1f} s after the event")
