"""Past events on disk, and the days of a backtest."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.tools.fraud_backtest import DAY, Row
from tools.common.command import UsageError
from tools.fraud.event_store import EventStore
from tools.fraud.past_events import Days, parse_days


def stored(folder: Path, events: list[Row], each_once: bool) -> tuple[list[Row], Any]:
    with EventStore(folder / "events.sqlite", each_once) as store:
        store.add(events)
        store.write(folder / "events.json")
        return [json.loads(line) for line in (folder / "events.json").read_text().splitlines()], store.content(5)


def test_events_are_written_in_order_of_time_and_arrive_at_their_own_time(tmp_path: Path) -> None:
    events = [
        {"event_id": name, "event_time": time, "event_type": "login", "user_id": "ü\n"} for name, time in (("b", 9), ("a", 7), ("c", 7))
    ]
    lines, content = stored(tmp_path, events, each_once=False)
    assert [line["event_id"] for line in lines] == ["a", "c", "b"]
    assert lines[0] == events[1] | {"arrived_ms": 7}
    assert (content.events, content.scored, content.first, content.last) == (3, 3, 7, 9)
    assert content.with_entity == {"device_id": 0, "ip_hash": 0, "payment_token": 0, "user_id": 3}


@pytest.mark.parametrize(("each_once", "times"), [(False, [3, 6, 8]), (True, [3, 8])])
def test_an_event_that_is_there_twice_counts_twice_or_once(tmp_path: Path, each_once: bool, times: list[int]) -> None:
    events = [{"event_id": name, "event_time": time, "event_type": "login"} for name, time in (("a", 6), ("a", 3), ("b", 8))]
    lines, content = stored(tmp_path, events, each_once)
    assert [line["event_time"] for line in lines] == times
    assert content.events == len([time for time in times if time >= 5])
    assert content.quarter_hours == {0}


def test_days_are_those_of_the_shop() -> None:
    berlin = parse_days("2026-03-28..2026-03-29", ZoneInfo("Europe/Berlin"))
    assert berlin is not None
    start = datetime(2026, 3, 27, 23, tzinfo=UTC).timestamp() * 1000
    assert (berlin.start_ms, berlin.end_ms) == (start, start + 47 * 3_600_000)
    assert [str(berlin.day_of(time)) for time in (berlin.start_ms, berlin.end_ms - 1, berlin.end_ms)] == [
        "2026-03-28", "2026-03-29", "2026-03-30"
    ]  # fmt: skip


def test_days_are_one_or_a_range() -> None:
    assert parse_days("2026-01-05") == Days(DAY.date(), DAY.date())
    assert str(parse_days("2026-01-05..2026-01-07")) == "2026-01-05..2026-01-07"
    assert parse_days("2026-01-05..") is None
    with pytest.raises(UsageError):
        parse_days("2026-13-01")
