"""Who was signed in on which device: runs over changed days give the pairs of all events, and a session survives a sign-in."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from spark_apps.audits import app as audits
from spark_apps.curate.device_users.device_users import TABLE, write_device_users
from tests.spark_apps.local_lake import LocalLake, at, days_of, text

Event = dict[str, Any]
COLUMNS = ("device_id", "user_id", "first_seen", "last_seen", "events")
EXPECTED = """
    SELECT device_id, user_id, min(event_time), max(event_time), count(*)
    FROM {events} WHERE device_id IS NOT NULL AND user_id IS NOT NULL GROUP BY ALL
"""


def event(event_id: str, when: str, device: str | None, user: str | None, kind: str = "page_view", session: str = "s1") -> Event:
    return {"event_id": event_id, "event_type": kind, "event_time": when, "session_id": session, "device_id": device, "user_id": user}


def pairs(lake: LocalLake) -> list[tuple[str, str, int]]:
    return lake.rows(TABLE, "device_id", "user_id", "events")


def random_event(rng: random.Random, number: int) -> Event:
    device, user = rng.choice(["d1", "d2", "d3", None]), rng.choice(["u1", "u2", "u3", None])
    return event(f"e{number}", text(at("1 00:00") + timedelta(minutes=rng.randrange(10 * 24 * 60))), device, user)


def test_a_session_survives_a_sign_in(lake: LocalLake) -> None:
    lake.send(
        event("a", "2 10:00", "d1", None),
        event("b", "2 10:05", "d1", "u1", "login"),
        event("c", "2 10:10", "d1", "u1", "view_item"),
    )
    lake.nightly()
    assert lake.rows("curated.sessions", "session_id", "events", "device_id", "user_id") == [("s1", 3, "d1", "u1")]
    assert pairs(lake) == [("d1", "u1", 2)], "the events before the sign-in are the user's in the session, not in the table"


def test_a_sign_in_that_arrives_a_night_later_leaves_one_session_with_that_user(lake: LocalLake) -> None:
    lake.send(event("a", "2 23:50", "d1", None), event("z", "3 00:15", "d1", None))
    lake.nightly(run="one")
    assert lake.rows("curated.sessions", "session_id", "events", "user_id") == [("s1", 2, None)]
    assert pairs(lake) == []
    lake.send(event("b", "3 00:05", "d1", "u1", "login"))
    lake.nightly(run="two", day="2026-01-03")
    assert lake.rows("curated.sessions", "session_id", "events", "user_id") == [("s1", 3, "u1")]
    assert pairs(lake) == [("d1", "u1", 1)]


def test_the_newest_user_of_a_session_is_its_user_and_a_family_tablet_has_a_row_for_each(lake: LocalLake) -> None:
    lake.send(event("a", "2 10:00", "tablet", "u1"), event("b", "2 10:05", "tablet", "u2"), event("c", "2 10:06", "tablet", None))
    lake.nightly()
    assert lake.rows("curated.sessions", "events", "user_id") == [(3, "u2")]
    assert pairs(lake) == [("tablet", "u1", 1), ("tablet", "u2", 1)]


def test_a_lake_of_an_earlier_release_gets_the_pairs_of_all_its_days(lake: LocalLake) -> None:
    lake.send(event("a", "2 10:00", "d1", "u1"), event("b", "5 10:00", "d2", "u2"))
    lake.nightly(run="one", day="2026-01-05")
    lake.spark.sql(f"DELETE FROM {lake.catalog.name(TABLE)}")
    lake.publish()
    lake.send(event("c", "6 10:00", "d1", "u1"))
    lake.nightly(run="two", day="2026-01-06")
    assert pairs(lake) == [("d1", "u1", 2), ("d2", "u2", 1)]


def test_a_run_without_sign_ins_writes_nothing(lake: LocalLake) -> None:
    commits = lake.commits()[TABLE]
    lake.send(event("a", "2 10:00", "d1", None), event("b", "2 10:00", None, "u1"))
    receipt = lake.recompute()
    assert lake.commits()[TABLE] == commits
    assert (TABLE in receipt.content, receipt.rows[TABLE]) == (False, 0)


@pytest.mark.parametrize("seed", range(3))
def test_nights_in_any_order_give_the_pairs_of_all_events(new_lake: Callable[[], LocalLake], seed: int) -> None:
    rng = random.Random(seed)
    lake, arrived = new_lake(), []
    for night in range(5):
        withdrawn = rng.sample(arrived, len(arrived) // 4)
        new = [random_event(rng, 1000 * night + number) for number in range(rng.randint(3, 20))]
        arrived = [old for old in arrived if old not in withdrawn] + new
        lake.set_events(arrived)
        write_device_users(lake.lake, days_of(new + withdrawn))
        expected = lake.spark.sql(EXPECTED.format(events=lake.catalog.name("curated.events"))).collect()
        assert lake.rows(TABLE, *COLUMNS) == sorted(map(tuple, expected), key=repr)
        result = audits.run_audit(lake.lake, audits.read_audit(audits.FOLDER / "device_users_match_events.sql"))
        assert (result.rows, result.error) == (0, "")
        lake.publish()
        lake.spark.catalog.clearCache()
