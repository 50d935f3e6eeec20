"""The stream `recommendations` on a running stack: a product view changes the user's list."""

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


def neighbours_value(product: str, *ids: str) -> bytes:
    """Returns a value of the topic of item neighbours, the nearest first."""
    neighbours = [{"id": neighbour, "weight": 10.0 - rank} for rank, neighbour in enumerate(ids)]
    return json.dumps({"product_id": product, "release": "test", "neighbours": neighbours}).encode()


def view(shop: Shop, user: str, product: str) -> str:
    """Send a view of a product with the current time; returns the event's id."""
    event = f"{user}-{uuid4().hex[:8]}"
    ids = {"event_id": event, "user_id": user, "session_id": user, "schema_version": names.EVENT_VERSION}
    product_view = {"event_type": "view_item", "product_id": product, "event_time": int(time.time() * 1000)}
    with Journal(shop.settings, event, {}) as journal:
        sender = Sender(shop.settings, journal)
        sender.send(Records([event], [REPLAYED], [user.encode()], [json.dumps(ids | product_view).encode()]), [0])
        sender.flush()
    return event


def recommendations_after(shop: Shop, event: str) -> dict[str, Any]:
    """Wait for the list that an event caused, and return it."""

    def lists() -> list[dict[str, Any]]:
        return [value for value in shop.topic(names.RECOMMENDATIONS_TOPIC) if value and value["event_id"] == event]

    eventually(lambda: bool(lists()), f"a list after {event}", seconds=60)
    return lists()[0]


@pytest.fixture(scope="module")
def products(shop: Shop) -> list[str]:
    """Three new products that are neighbours of one another, published to the topic."""
    p1, p2, p3 = (f"p-{uuid4().hex[:8]}" for _ in range(3))
    values: dict[str, bytes | None] = {p1: neighbours_value(p1, p2, p3), p2: neighbours_value(p2, p3)}
    compacted.write(shop.settings, names.ITEM_NEIGHBOURS_TOPIC, values, print)
    # The stream reads both topics at the same time: the neighbours must be in its state before the first view.
    time.sleep(5)
    return [p1, p2, p3]


def test_a_view_changes_the_list(shop: Shop, products: list[str]) -> None:
    p1, p2, p3 = products
    user = f"u-{uuid4().hex[:8]}"
    first = recommendations_after(shop, view(shop, user, p1))
    assert (first["user_id"], first["items"], first["because"]) == (user, [p2, p3], [p1])
    second = recommendations_after(shop, view(shop, user, p2))
    assert (second["items"], second["because"]) == ([p3, p2], [p1, p2])
    assert 0 <= second["updated_at"] - second["event_time"] < 5_000


def test_a_product_with_a_tombstone_has_no_neighbours_any_more(shop: Shop, products: list[str]) -> None:
    p1, p2, p3 = products
    compacted.write(shop.settings, names.ITEM_NEIGHBOURS_TOPIC, {p2: None}, print)
    time.sleep(5)
    user = f"u-{uuid4().hex[:8]}"
    view(shop, user, p2)
    last = recommendations_after(shop, view(shop, user, p1))
    assert last["because"] == [p2, p1]
    assert last["items"] == [p2, p3]
    user_lists = [value for value in shop.topic(names.RECOMMENDATIONS_TOPIC) if value and value["user_id"] == user]
    assert [value["because"] for value in user_lists] == [[p2, p1]]
