"""Training sessions and neighbours equal a slow implementation in plain Python, on events with many ties and overlaps."""

import random
from collections import defaultdict
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from spark_apps.features import app as features
from spark_apps.features import item_neighbours
from tests.spark_apps.local_lake import LocalLake, at

Event = dict[str, Any]
Session = tuple[str, date, datetime, tuple[str, ...]]
PAUSE = timedelta(minutes=30)


def view(number: int, when: str, session: str, product: str | None, kind: str = "view_item") -> Event:
    return {"event_id": f"e{number}", "event_type": kind, "event_time": when, "session_id": session, "product_id": product}


def random_events(seed: int, count: int) -> list[Event]:
    """Returns events with few products, few sessions and whole minutes around midnight, so that pauses, ties and repetitions occur."""
    rng = random.Random(seed)
    events = []
    for number in range(count):
        late = f"{rng.randint(1, 4)} {rng.randint(22, 23)}:{rng.randint(0, 59):02d}"
        early = f"{rng.randint(1, 5)} 00:{rng.randint(0, 40):02d}"
        product = rng.choice([None, *(f"p{n}" for n in range(8))])
        kind = rng.choice(["view_item"] * 4 + ["page_view", "add_to_cart"])
        events.append(view(number, rng.choice([late, early]), f"s{rng.randint(1, 12)}", product, kind))
    return events


def hub_events(first_number: int, other_products: int) -> list[Event]:
    """Returns views of one product between many others: it has more neighbours than are kept, most with the same weight."""
    products = [name for n in range(other_products) for name in ("hub", f"x{n:02d}")]
    return [view(first_number + n, f"3 12:{n // 4:02d}:{n % 4}", "hub", product) for n, product in enumerate(products)]


def split_at_pauses(events: list[Event]) -> list[list[Event]]:
    """Returns the events of each session; events of the same time are in the order in which they were sent."""
    sessions: list[list[Event]] = []
    by_session_id: dict[str, list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda event: at(event["event_time"])):
        by_session_id[event["session_id"]].append(event)
    for events_of_id in by_session_id.values():
        for previous, event in zip([None, *events_of_id], events_of_id, strict=False):
            if previous is None or at(event["event_time"]) - at(previous["event_time"]) > PAUSE:
                sessions.append([])
            sessions[-1].append(event)
    return sessions


def expected_sessions(events: list[Event], since: date, until: date) -> set[Session]:
    sessions = set()
    for session_events in split_at_pauses(events):
        start = at(session_events[0]["event_time"])
        items = tuple(e["product_id"] for e in session_events if e["event_type"] == "view_item" and e["product_id"])
        if len(items) >= 2 and since <= start.date() <= until:
            sessions.add((session_events[0]["session_id"], start.date(), start, items))
    return sessions


def expected_neighbours(sequences: list[tuple[str, ...]]) -> set[tuple[str, int, str, float]]:
    sums: dict[str, dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for items in sequences:
        for i, product in enumerate(items):
            for j, neighbour in enumerate(items):
                if product != neighbour and 0 < abs(i - j) <= 6:
                    sums[product][neighbour] += Fraction(1, abs(i - j)) * (1 if j > i else Fraction(2, 5))
    rows = set()
    for product, weights in sums.items():
        heaviest = sorted(weights.items(), key=lambda pair: (-pair[1], pair[0]))[:50]
        rows |= {(product, position, neighbour, float(weight)) for position, (neighbour, weight) in enumerate(heaviest, 1)}
    return rows


def read_tables(lake: LocalLake) -> tuple[set[Any], set[Any]]:
    rows = lake.table("features.training_sessions").selectExpr("session_id", "event_day", "unix_micros(started_at)", "items").collect()
    sessions = {(session_id, day, micros, tuple(items)) for session_id, day, micros, items in rows}
    assert len(sessions) == len(rows)
    return sessions, set(lake.rows("features.item_neighbours", "product_id", "position", "neighbour_id", "weight"))


def with_microseconds(sessions: set[Session]) -> set[Any]:
    return {(session_id, day, round(start.timestamp() * 1e6), items) for session_id, day, start, items in sessions}


def test_both_tables_equal_the_plain_implementation(lake: LocalLake) -> None:
    events = random_events(1, 400) + hub_events(400, 60)
    lake.send(*(dict(event) for event in events))
    lake.nightly(day="2026-01-04")
    code, receipt = lake.run(features, "--window-days", "3", day="2026-01-04")
    assert (code, receipt.error) == (0, "")
    sessions = expected_sessions(events, date(2026, 1, 2), date(2026, 1, 4))
    neighbours = expected_neighbours([items for *_, items in sessions])
    assert max(position for _, position, _, _ in neighbours) == 50
    assert read_tables(lake) == (with_microseconds(sessions), neighbours)
    assert receipt.rows == {features.SESSIONS: len(sessions), item_neighbours.TABLE: len(neighbours)}

    commits = lake.commits()
    second_receipt = lake.run(features, "--window-days", "3", day="2026-01-04")[1]
    assert (second_receipt.content, second_receipt.facts["changed"]) == (receipt.content, [])
    assert lake.commits() == commits, "unchanged tables are not written"


def test_a_run_for_an_old_day_keeps_the_newer_days(lake: LocalLake) -> None:
    lake.send(
        view(1, "2 10:00", "s1", "p1"), view(2, "2 10:01", "s1", "p2"), view(3, "9 10:00", "s2", "p1"), view(4, "9 10:01", "s2", "p3")
    )
    lake.nightly(day="2026-01-09")
    facts = lake.run(features, day="2026-01-02")[1].facts
    assert (facts["since"], facts["until"]) == ("2025-07-14", "2026-01-09")
    facts = lake.run(features, "--until", "2026-01-02", day="2026-01-02")[1].facts
    assert facts["until"] == "2026-01-02"
    assert lake.rows("features.training_sessions", "session_id") == ["s1"]


@pytest.mark.parametrize("text", ["0", "-3", "many", "1.5", "99999"])
def test_a_bad_window_is_rejected_in_one_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--ref", "b", "--run", "r", "--day", "2026-01-02", "--receipt", "s3://lake/r.json", f"--window-days={text}"]
    with pytest.raises(SystemExit) as exit_info:
        features.main(argv)
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert "is not a number of days" in error
    assert len(error.splitlines()) == 1
