"""The user history is bounded, ordered by event time and idempotent; Kafka records update it or are skipped."""

import json
from typing import Any

import pytest

from ray_apps.serving.impressions import CLICK_WINDOW_MS, Impressions
from ray_apps.serving.metrics import VariantMetrics
from ray_apps.serving.records import apply_click, apply_list
from ray_apps.serving.user_history import RecentViews, StreamedLists


def view_record(**changes: Any) -> bytes:
    """The value of a Kafka record of a view, with changed fields."""
    event = {"event_type": "view_item", "user_id": "u", "product_id": "p", "event_time": 5}
    return json.dumps(event | changes).encode()


def test_views_are_ordered_by_event_time_and_only_the_last_ones_are_kept() -> None:
    views = RecentViews(views_per_user=3)
    for item, event_time_ms in (("b", 2), ("c", 3), ("a", 1), ("b", 2), ("d", 4)):
        views.add("u", item, event_time_ms)
    assert views.of("u") == ["b", "c", "d"]
    views.add("u", "too old", 0)
    assert views.of("u") == ["b", "c", "d"]
    assert views.of("unknown user") == []


def test_the_least_recent_user_is_evicted_with_the_view_counts() -> None:
    views, lists = RecentViews(max_users=2), StreamedLists(max_users=2)
    for user in ("u1", "u2", "u1", "u3"):
        views.add(user, f"item of {user}", len(views))
        lists.put(user, [user])
    assert (views.of("u2"), lists.of("u2")) == ([], [])
    assert (len(views), len(views.of("u1")), lists.of("u3")) == (2, 2, ["u3"])
    assert views.popular(9) == ["item of u1", "item of u3"]


def test_memory_does_not_grow_with_the_number_of_records() -> None:
    views = RecentViews(max_users=10, views_per_user=5)
    for number in range(5000):
        views.add(f"u-{number % 50}", f"p-{number % 700}", number)
    assert len(views) == 10
    assert len(views.popular(1000)) <= 50


def test_an_event_time_after_the_kafka_timestamp_is_capped() -> None:
    views = RecentViews()
    apply_click(views, Impressions(), None, view_record(event_time=99_000, product_id="from the future"), 10)
    apply_click(views, Impressions(), None, view_record(event_time=11), 11)
    assert views.of("u") == ["from the future", "p"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"view_item",
        b'["view_item"]',
        b"\xffview_item",
        view_record(user_id=None),
        view_record(product_id=None),
        view_record(product_id=7),
        view_record(event_type="search", search_query="view_item"),
    ],
)
def test_a_record_that_is_not_a_view_is_skipped(value: bytes | None) -> None:
    views = RecentViews()
    apply_click(views, Impressions(), None, value, 1)
    assert len(views) == 0


def test_click_records_are_matched_with_the_impression_by_their_kafka_timestamp() -> None:
    now_ms, stable, candidate = 1_000, VariantMetrics(), VariantMetrics()
    impressions, views = Impressions(max_users=2, now_ms=lambda: now_ms), RecentViews()
    impressions.record_shown("u", ["p", "q"], stable)
    for item, broker_time_ms in (("p", 999), ("other", 1_001), ("p", 1_001 + CLICK_WINDOW_MS)):
        apply_click(views, impressions, None, view_record(product_id=item), broker_time_ms)
    apply_click(views, impressions, None, view_record(user_id="another user"), 1_001)
    assert (stable.shown, stable.clicked) == (1, 0)
    for item in ("q", "p", "q"):
        apply_click(views, impressions, None, view_record(product_id=item), 1_002)
    assert stable.clicked == 1
    impressions.record_shown("u", ["p"], stable)
    impressions.record_shown("u", ["r"], candidate)
    apply_click(views, impressions, None, view_record(product_id="p"), 1_003)
    apply_click(views, impressions, None, view_record(product_id="r"), 1_003)
    assert (stable.shown, stable.clicked, candidate.shown, candidate.clicked) == (2, 1, 1, 1)


def test_a_list_record_replaces_the_users_list_and_a_tombstone_removes_it() -> None:
    lists = StreamedLists()
    apply_list(lists, b"u", b'{"user_id": "u", "items": ["a", "b"]}', 1)
    apply_list(lists, b"u", b'{"user_id": "u", "items": ["c", null]}', 2)
    apply_list(lists, None, b'{"items": ["x"]}', 2)
    assert lists.of("u") == ["c"]
    apply_list(lists, b"u", None, 3)
    apply_list(lists, b"v", b'{"items": "no list"}', 3)
    assert (lists.of("u"), lists.of("v")) == ([], [])
