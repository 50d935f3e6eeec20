"""What a replica remembers is bounded, in order, and the same however often a record comes; who is on which side stays there."""

import json
from typing import Any

import pytest

from ray_apps.serving import split
from ray_apps.serving.arms import Arm, told
from ray_apps.serving.records import take_click, take_list
from ray_apps.serving.shown import WINDOW_MS, Shown
from ray_apps.serving.tally import Tally, together
from ray_apps.serving.views import FreshLists, RecentViews

USERS = [f"u-{number}" for number in range(20_000)]


@pytest.mark.parametrize("share", [1, 10, 50])
def test_a_split_takes_its_share_of_the_users(share: int) -> None:
    taken = sum(split.arm(user, share) == split.CANDIDATE for user in USERS) / len(USERS)
    assert taken == pytest.approx(share / 100, abs=0.01)


def test_a_growing_share_only_adds_users_and_its_ends_are_all_and_nobody() -> None:
    sides = [{user for user in USERS if split.arm(user, share) == split.CANDIDATE} for share in (0, 10, 50, 100)]
    assert sides[0] == set()
    assert sides[1] < sides[2] < sides[3] == set(USERS)
    assert split.arm("", 100) == split.STABLE


def test_views_are_kept_in_the_order_of_time_and_only_the_last_ones() -> None:
    views = RecentViews(views=3)
    for item, at in (("b", 2), ("c", 3), ("a", 1), ("b", 2), ("d", 4)):
        views.add("u", item, at)
    assert views.of("u") == ["b", "c", "d"]
    views.add("u", "too old", 0)
    assert views.of("u") == ["b", "c", "d"]
    assert views.of("stranger") == []


def test_who_was_seen_longest_ago_is_forgotten_with_all_that_was_counted() -> None:
    views, lists = RecentViews(users=2), FreshLists(users=2)
    for user in ("one", "two", "one", "three"):
        views.add(user, f"of {user}", len(views))
        lists.put(user, [user])
    assert (views.of("two"), lists.of("two")) == ([], [])
    assert (len(views), len(views.of("one")), lists.of("three")) == (2, 2, ["three"])
    assert views.popular(9) == ["of one", "of three"]


def test_memory_does_not_grow_with_the_stream() -> None:
    views = RecentViews(users=10, views=5)
    for at in range(5000):
        views.add(f"u-{at % 50}", f"p-{at % 700}", at)
    assert len(views) == 10
    assert len(views.popular(1000)) <= 50


def click(**changed: Any) -> bytes:
    event = {"event_type": "view_item", "user_id": "u", "product_id": "p", "event_time": 5, **changed}
    return json.dumps(event).encode()


def test_a_view_of_a_known_user_counts_and_no_clock_is_ahead_of_the_broker() -> None:
    views = RecentViews()
    take_click(views, Shown(), None, click(event_time=99_000, product_id="from the future"), 10)
    take_click(views, Shown(), None, click(event_time=11), 11)
    assert views.of("u") == ["from the future", "p"]


@pytest.mark.parametrize(
    "value",
    [
        *(None, b"", b"view_item", b'["view_item"]', b"\xffview_item"),
        *(click(user_id=None), click(product_id=None), click(product_id=7), click(event_type="search", search_query="view_item")),
    ],
)
def test_a_record_that_is_no_view_changes_nothing(value: bytes | None) -> None:
    views = RecentViews()
    take_click(views, Shown(), None, value, 1)
    assert len(views) == 0


def test_a_list_replaces_the_last_one_and_can_be_taken_back() -> None:
    lists = FreshLists()
    take_list(lists, b"u", b'{"user_id": "u", "items": ["a", "b"]}', 1)
    take_list(lists, b"u", b'{"user_id": "u", "items": ["c", null]}', 2)
    take_list(lists, None, b'{"items": ["x"]}', 2)
    assert lists.of("u") == ["c"]
    take_list(lists, b"u", None, 3)
    take_list(lists, b"v", b'{"items": "no list"}', 3)
    assert (lists.of("u"), lists.of("v")) == ([], [])


def test_the_counts_of_all_replicas_are_one() -> None:
    one, two = Tally(), Tally()
    for milliseconds in range(100):
        one.add(milliseconds, failed=False)
    two.add(3, failed=True)
    one.shown, two.shown, two.clicked = 5, 6, 2
    arms = [{"stable": told(Arm(scorer=None, tally=tally)) | {"model": "a"}} for tally in (one, two)]
    counted = {"requests": 101, "errors": 1, "shown": 11, "clicked": 2}
    assert together(arms) == {"stable": counted | {"p99_ms": 98, "model": "a"}}
    arms[1]["stable"]["model"] = "b"
    assert together(arms)["stable"]["model"] == ""
    assert Tally().p99_ms == 0


def test_a_list_is_clicked_once_by_its_user_in_time_and_for_the_arm_that_made_it() -> None:
    now, first, second = [1_000], Tally(), Tally()
    shown, views = Shown(users=2, now_ms=lambda: now[0]), RecentViews()
    shown.put("u", ["p", "q"], first)
    for item, arrived in (("p", 999), ("other", 1_001), ("p", 1_001 + WINDOW_MS)):
        take_click(views, shown, None, click(product_id=item), arrived)
    take_click(views, shown, None, click(user_id="stranger"), 1_001)
    assert (first.shown, first.clicked) == (1, 0)
    for item in ("q", "p", "q"):
        take_click(views, shown, None, click(product_id=item), 1_002)
    assert first.clicked == 1
    shown.put("u", ["p"], first)
    shown.put("u", ["r"], second)
    take_click(views, shown, None, click(product_id="p"), 1_003)
    take_click(views, shown, None, click(product_id="r"), 1_003)
    assert (first.shown, first.clicked, second.shown, second.clicked) == (2, 1, 1, 1)


def test_lists_of_whoever_asked_longest_ago_are_forgotten() -> None:
    tally, shown = Tally(), Shown(users=2, now_ms=lambda: 0)
    for user in ("one", "two", "one", "three"):
        shown.put(user, ["p"], tally)
    for user in ("one", "two", "three"):
        shown.viewed(user, "p", 1)
    assert (tally.shown, tally.clicked) == (4, 2)
