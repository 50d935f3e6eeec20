"""A view changes the viewer's list on a live stack, with neighbours as the publisher writes them."""

import json
import time
from typing import Any
from uuid import uuid4

import pytest

from clickstream_contracts import names
from tests.shop_day import Shop, eventually
from tools.kafka import compacted
from tools.kafka.producer import Records, Sender
from tools.ledger.journal import Journal
from tools.ledger.record_kinds import REPLAYED


def near(product: str, *ids: str) -> bytes:
    """A product's neighbours, the first one the nearest."""
    listed = [{"id": one, "weight": 10.0 - place} for place, one in enumerate(ids)]
    return json.dumps({"product_id": product, "release": "test", "neighbours": listed}).encode()


def view(shop: Shop, user: str, product: str) -> str:
    """A product viewed now; returns the event's id."""
    event = f"{user}-{uuid4().hex[:8]}"
    who = {"event_id": event, "user_id": user, "session_id": user, "schema_version": names.EVENT_VERSION}
    what = {"event_type": "view_item", "product_id": product, "event_time": int(time.time() * 1000)}
    with Journal(shop.settings, event, {}) as journal:
        sender = Sender(shop.settings, journal)
        sender.send(Records([event], [REPLAYED], [user.encode()], [json.dumps(who | what).encode()]), [0])
        sender.flush()
    return event


def answer(shop: Shop, event: str) -> dict[str, Any]:
    """The list that an event led to."""
    found: list[dict[str, Any]] = []

    def made() -> bool:
        found[:] = [one for one in shop.topic(names.RECOMMENDATIONS_TOPIC) if one and one["event_id"] == event]
        return bool(found)

    eventually(made, f"a list after {event}", seconds=60)
    return found[0]


@pytest.fixture(scope="module")
def products(shop: Shop) -> list[str]:
    """Three products of the test's own that are near one another, published."""
    one, two, three = (f"p-{uuid4().hex[:8]}" for _ in range(3))
    values: dict[str, bytes | None] = {one: near(one, two, three), two: near(two, three)}
    compacted.write(shop.settings, names.ITEM_NEIGHBOURS_TOPIC, values, print)
    # the stream reads both topics side by side
    time.sleep(5)
    return [one, two, three]


def test_a_view_changes_the_list(shop: Shop, products: list[str]) -> None:
    one, two, three = products
    user = f"u-{uuid4().hex[:8]}"
    first = answer(shop, view(shop, user, one))
    assert (first["user_id"], first["items"], first["because"]) == (user, [two, three], [one])
    second = answer(shop, view(shop, user, two))
    assert (second["items"], second["because"]) == ([three, two], [one, two])
    assert 0 <= second["updated_at"] - second["event_time"] < 5_000


def test_a_product_that_was_taken_away_counts_no_more(shop: Shop, products: list[str]) -> None:
    one, two, three = products
    compacted.write(shop.settings, names.ITEM_NEIGHBOURS_TOPIC, {two: None}, print)
    time.sleep(5)
    user = f"u-{uuid4().hex[:8]}"
    view(shop, user, two)
    last = answer(shop, view(shop, user, one))
    assert last["because"] == [two, one]
    assert last["items"] == [two, three]
    assert [event["because"] for event in shop.topic(names.RECOMMENDATIONS_TOPIC) if event and event["user_id"] == user] == [[two, one]]
