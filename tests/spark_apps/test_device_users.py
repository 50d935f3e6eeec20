"""Who was signed in on which device: runs over changed days give the pairs of all events, and a session survives a sign-in."""

import random
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from spark_apps.audits import app as audits
from spark_apps.curate.device_users.device_users import TABLE, write_device_users
from tests.spark_apps.local_lake import LocalLake, at, days_of, text

Event = dict[str, Any]
COLUMNS = ("device_id", "user_id", "first_seen", "last_seen", "events")
EXPECTED = """
    SELECT device_id, user_id, min(event_time), max(event_time), count(*)
    FROM {events} WHERE device_id IS NOT NULL AND user_id IS NOT NULL AND event_type <> 'login_failed' GROUP BY ALL
"""


def event(event_id: str, when: str, device: str | None, user: str | None, kind: str = "page_view", session: str = "s1") -> Event:
    return {"event_id": event_id, "event_type": kind, "event_time": when, "session_id": session, "device_id": device, "user_id": user}


def pairs(lake: LocalLake) -> list[tuple[str, str, int]]:
    return lake.rows(TABLE, "device_id", "user_id", "events")


def random_event(rng: random.Random, number: int) -> Event:
    device, user = rng.choice(["d1", "d2", "d3", None]), rng.choice(["u1", "u2", "u3", None])
    kind = rng.choice(["page_view", "login_failed"])
    return event(f"e{number}", text(at("1 00:00") + timedelta(minutes=rng.randrange(10 * 24 * 60))), device, user, kind)


SESSION = ("session_id", "events", "device_id", "user_id")


@pytest.fixture(scope="module")
def first_night(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> LocalLake:
    lake = LocalLake(spark, tmp_path_factory.mktemp("sign_ins"))
    lake.send(
        event("a", "2 10:00", "d1", None, session="sign_in"),
        event("b", "2 10:05", "d1", "u1", session="sign_in", kind="login"),
        event("c", "2 10:10", "d1", "u1", session="sign_in"),
        event("e", "2 10:12", "d1", "victim", session="sign_in", kind="login_failed"),
        event("f", "2 11:00", "tablet", "u1", session="family"),
        event("g", "2 11:05", "tablet", "u2", session="family"),
        event("h", "2 11:06", "tablet", None, session="family"),
        event("y", "2 23:50", "d2", None, session="late"),
        event("z", "3 00:15", "d2", None, session="late"),
    )
    lake.nightly(run="one")
    return lake


def test_a_session_survives_a_sign_in_and_its_newest_user_is_its_user(first_night: LocalLake) -> None:
    sessions = first_night.rows("curated.sessions", *SESSION)
    assert sessions == [("family", 3, "tablet", "u2"), ("late", 2, "d2", None), ("sign_in", 4, "d1", "u1")]


def test_a_device_has_a_row_for_each_user_with_the_events_that_name_the_user(first_night: LocalLake) -> None:
    assert pairs(first_night) == [("d1", "u1", 2), ("tablet", "u1", 1), ("tablet", "u2", 1)]


def test_a_sign_in_that_arrives_a_night_later_leaves_one_session_with_that_user(first_night: LocalLake) -> None:
    first_night.send(event("x", "3 00:05", "d2", "u3", session="late", kind="login"))
    first_night.nightly(run="two", day="2026-01-03")
    assert first_night.rows("curated.sessions", *SESSION)[1] == ("late", 3, "d2", "u3")
    assert pairs(first_night) == [("d1", "u1", 2), ("d2", "u3", 1), ("tablet", "u1", 1), ("tablet", "u2", 1)]


def test_the_first_run_of_a_release_with_this_table_computes_the_pairs_of_all_events(lake: LocalLake) -> None:
    lake.set_events([event("a", "2 10:00", "d1", "u1"), event("b", "5 10:00", "d2", "u2")])
    lake.publish()
    assert write_device_users(lake.lake, [date(2026, 1, 5)])
    assert pairs(lake) == [("d1", "u1", 1), ("d2", "u2", 1)]


def test_a_run_without_sign_ins_writes_nothing(lake: LocalLake) -> None:
    commits = lake.commits()
    lake.set_events([event("a", "2 10:00", "d1", None), event("b", "2 10:00", None, "u1")])
    assert not write_device_users(lake.lake, [date(2026, 1, 2)])
    assert lake.commits()[TABLE] == commits[TABLE]


@pytest.mark.parametrize("seed", range(2))
def test_nights_in_any_order_give_the_pairs_of_all_events(new_lake: Callable[[], LocalLake], seed: int) -> None:
    rng = random.Random(seed)
    lake = new_lake()
    arrived: list[Event] = []
    for night in range(4):
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
