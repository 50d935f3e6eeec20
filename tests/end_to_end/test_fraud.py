"""Attacks on a live shop: each is seen while it happens, every payment is judged once, nothing waits when the shop falls silent."""

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

# What comes days late is not judged by the stream, and an attack may hang on one event.
LIVE = ("live", "--rate", "200", "--seconds", "60", "--seed", "77", "--attacks", "2", "--late", "0", "--json")
FIRING = 7


@pytest.fixture(scope="module")
def live(shop: Shop) -> dict[str, int]:
    """A minute of a shop under attack."""
    done = json.loads(shop.run("tools.shop", *LIVE).stdout)
    return dict(done)


def view(user: str, number: int) -> bytes:
    """A product viewed now."""
    who = {"event_id": f"{user}-{number}", "user_id": user, "session_id": user, "schema_version": names.EVENT_VERSION}
    what = {"event_type": "view_item", "product_id": "p-1", "quantity": 1, "price": 9.5, "currency": "EUR"}
    return json.dumps(who | what | {"event_time": int(time.time() * 1000)}).encode()


def test_each_attack_is_seen(shop: Shop, live: dict[str, int]) -> None:
    def all_caught() -> bool:
        found = detection(shop.settings)["patterns"]
        return all(found[pattern]["caught"] for pattern in ATTACKS)

    eventually(all_caught, f"an alert for each of {ATTACKS}")


def test_every_payment_and_sign_in_has_one_score_or_came_late(shop: Shop, live: dict[str, int]) -> None:
    rows = shop.table("raw.clicks", columns=("event_id", "event_type", "event_time")).to_pylist()
    mine = [row for row in rows if row["event_time"].timestamp() * 1000 >= live["start"]]
    sent = {row["event_id"] for row in mine if row["event_type"] in rules().scored_events}
    assert len(sent) > 50

    def missing() -> set[str]:
        judged = {row["event_id"] for row in shop.table("raw.fraud_scores", columns=("event_id",)).to_pylist()}
        return sent - judged - {late["event_id"] for late in shop.topic(names.LATE_CLICKS_TOPIC)}

    eventually(lambda: not missing(), "a score for each payment and sign-in")
    scored = Counter(score["event_id"] for score in shop.topic(names.FRAUD_SCORES_TOPIC))
    repeats = Counter(row["event_id"] for row in shop.table("raw.clicks", columns=("event_id",)).to_pylist())
    assert {event: count for event, count in scored.items() if count > repeats[event]} == {}


def test_the_last_user_before_a_silence_is_flagged(shop: Shop, live: dict[str, int]) -> None:
    """No later event moves the stream's time on."""
    time.sleep(8)
    user = f"u-firing-{time.time():.0f}"
    with Journal(shop.settings, user, {}) as journal:
        sender = Sender(shop.settings, journal)
        for i in range(FIRING):
            sender.send(Records([f"{user}-{i}"], [REPLAYED], [user.encode()], [view(user, i)]), [i])
            sender.flush()
            time.sleep(0.5)

    def flagged() -> list[dict[str, Any]]:
        return [alert for alert in shop.topic(names.FRAUD_ALERTS_TOPIC) if alert["entity"] == user and alert["pattern"] == "rapid_fire"]

    eventually(lambda: bool(flagged()), "an alert about the last user", seconds=60)
    alert = flagged()[0]
    print(f"flagged {datetime.fromisoformat(alert['raised_at']).timestamp() - alert['event_time'] / 1000:.1f} s after the event")
