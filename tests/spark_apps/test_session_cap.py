"""A visitor that never pauses has sessions of at most two days, whatever the order in which its events arrive."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any

import pytest

from clickstream_contracts.sessions import PAUSE_MINUTES
from spark_apps.audits import app as audits
from spark_apps.curate.sessions.sessions import write_sessions
from spark_apps.features import app as features
from tests.spark_apps.local_lake import LocalLake, at, days_of, text

PAUSE = timedelta(minutes=PAUSE_MINUTES)
DAY = timedelta(days=1)
NIGHTS = 3
AUDITS = ("sessions_match_events", "sessions_disjoint", "sessions_cover_events")
Event = dict[str, Any]
Session = tuple[str, datetime, datetime, int]


def times(start: datetime, end: datetime, minutes: Callable[[], float]) -> Iterator[datetime]:
    while start < end:
        yield start
        start += timedelta(seconds=round(60 * minutes()))


def visitor(session: str, *moments: datetime) -> list[Event]:
    return [
        {
            "event_id": f"{session}-{n}",
            "event_type": "view_item",
            "event_time": text(moment),
            "session_id": session,
            "product_id": f"p{n % 7}",
        }
        for n, moment in enumerate(moments)
    ]


def crawler(session: str, start: str, end: str) -> list[Event]:
    """Returns the events of a visitor with one every 20 minutes."""
    return visitor(session, *times(at(start), at(end), lambda: 20))


def midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.date(), time(), UTC)


def split(moments: list[datetime]) -> Iterator[tuple[datetime, datetime, int]]:
    """Yields start, end and length of the sessions of one session_id, event by event."""
    start, previous, length = moments[0], moments[0], 0
    for moment in moments:
        is_second_midnight = moment.date() > previous.date() and start <= midnight(moment) - DAY + PAUSE
        if moment - previous > PAUSE or is_second_midnight:
            yield start, previous, length
            start, length = moment, 0
        previous, length = moment, length + 1
    yield start, previous, length


def expected(lake: LocalLake) -> list[Session]:
    rows = sorted((row.session_id, row.event_time.astimezone(UTC)) for row in lake.table("curated.events").collect())
    by_session = {session: [moment for _, moment in group] for session, group in groupby(rows, lambda row: row[0])}
    return sorted((session, *part) for session, moments in by_session.items() for part in split(moments))


def sessions(lake: LocalLake) -> list[Session]:
    rows = lake.table("curated.sessions").collect()
    assert all(row.session_day == row.started_at.astimezone(UTC).date() for row in rows)
    return sorted((row.session_id, row.started_at.astimezone(UTC), row.ended_at.astimezone(UTC), row.events) for row in rows)


def failed_audits(lake: LocalLake) -> list[audits.AuditResult]:
    values = audits.template_values(date(2026, 1, 12), 0)
    results = [audits.run_audit(lake.lake, audits.read_audit(audits.FOLDER / f"{name}.sql"), values) for name in AUDITS]
    return [result for result in results if result.failed]


def compute_sessions(lake: LocalLake, events: list[Event]) -> None:
    lake.set_events(events)
    write_sessions(lake.lake, days_of(events))


def test_a_visitor_that_never_pauses_has_a_session_for_each_day(lake: LocalLake) -> None:
    compute_sessions(lake, crawler("s1", "2 10:00", "6 12:00"))
    parts = [(text(start), text(end)) for _, start, end, _ in sessions(lake)]
    assert parts == [
        ("2 10:00:00", "3 23:40:00"),
        ("4 00:00:00", "4 23:40:00"),
        ("5 00:00:00", "5 23:40:00"),
        ("6 00:00:00", "6 11:40:00"),
    ]


@pytest.mark.parametrize(("start", "end", "number"), [("2 00:30", "3 00:11", 2), ("2 00:31", "3 23:59", 1), ("2 23:00", "3 01:00", 1)])
def test_a_session_ends_at_the_midnight_of_a_day_that_it_fills(lake: LocalLake, start: str, end: str, number: int) -> None:
    compute_sessions(lake, crawler("s1", start, end))
    assert len(sessions(lake)) == number
    assert sessions(lake) == expected(lake)
    assert failed_audits(lake) == []


def test_a_night_recomputes_the_sessions_beside_its_days_only(lake: LocalLake) -> None:
    events = crawler("s1", "2 10:00", "9 12:00")
    compute_sessions(lake, events)
    lake.publish()
    lake.set_events([*events, *visitor("s2", at("6 10:00"))])
    write_sessions(lake.lake, [date(2026, 1, 6)])
    days = {str(row.session_day) for row in lake.spark.table("affected_sessions").collect()}
    assert days == {"2026-01-05", "2026-01-06", "2026-01-07"}
    assert sessions(lake) == expected(lake)


def test_training_sessions_of_a_visitor_that_never_pauses_have_each_view_once(lake: LocalLake) -> None:
    lake.send(*crawler("s1", "2 10:00", "6 12:00"))
    lake.recompute(day="2026-01-06")
    assert lake.run(features, day="2026-01-06")[0] == 0
    lengths = [len(row.items) for row in lake.table("features.training_sessions").select("items").collect()]
    assert sum(lengths) == lake.table("curated.events").count()
    assert len(lengths) == 4
    code, receipt = lake.run(audits, "--namespaces=features", day="2026-01-06")
    assert (code, receipt.error) == (0, "")


def random_events(rng: random.Random) -> list[Event]:
    """Returns events of visitors that come and go around midnight and that never pause, some of them with holes."""
    events: list[Event] = []
    for number in range(4):
        start = at(f"{rng.randint(1, 3)} {rng.choice(['00:00', '00:30', '00:31', '10:00', '23:40'])}")
        moments = list(times(start, start + timedelta(days=5, hours=rng.randint(0, 20)), lambda: rng.choice([17, 25, 30])))
        for _ in range(rng.randint(0, 2)):
            hole = rng.choice([rng.randrange(len(moments)), next(n for n, m in enumerate(moments) if m.day > start.day + 1)])
            del moments[hole : hole + rng.randint(1, 2)]
        events += visitor(f"crawler{number}", *moments)
    for number in range(30):
        start = midnight(at(f"{rng.randint(1, 7)} 00:00")) + timedelta(minutes=rng.randint(-90, 90))
        events += visitor(
            f"visit{number}", *times(start, start + timedelta(minutes=rng.randint(1, 120)), lambda: rng.choice([1, 29, 30, 31]))
        )
    return events


@pytest.mark.parametrize("seed", range(2))
def test_nights_in_any_order_give_the_sessions_of_a_full_rebuild(new_lake: Callable[[], LocalLake], seed: int) -> None:
    rng = random.Random(seed)
    waiting = random_events(rng)
    arrived: list[Event] = []
    nightly, rebuilt = new_lake(), new_lake()
    for night in range(NIGHTS):
        # Whole days arrive late, and single events; some events are withdrawn.
        late_days = set(rng.sample(range(10), 4)) if night < NIGHTS - 1 else set()
        late = [event for event in waiting if (int(event["event_time"].split()[0]) in late_days) != (rng.random() < 0.02)]
        new = [event for event in waiting if event not in late]
        withdrawn = rng.sample(arrived, len(arrived) // 100)
        waiting, arrived = late, [event for event in arrived if event not in withdrawn] + new
        nightly.set_events(arrived)
        write_sessions(nightly.lake, days_of(new + withdrawn))
        assert sessions(nightly) == expected(nightly)
        nightly.publish()
        nightly.spark.catalog.clearCache()
    compute_sessions(rebuilt, arrived)
    assert sessions(nightly) == sessions(rebuilt)
    assert failed_audits(nightly) == []
    assert max(end - start for _, start, end, _ in sessions(nightly)) < 2 * DAY
