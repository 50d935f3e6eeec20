"""Training sessions and neighbours equal a slow oracle in plain Python, on events in which everything ties and overlaps."""

import random
from collections import defaultdict
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from spark_apps import features
from tests.spark_apps.little_lake import LittleLake, at

Event = dict[str, Any]
PAUSE = timedelta(minutes=30)


def view(number: int, when: str, session: str, product: str | None, kind: str = "view_item") -> Event:
    return {"event_id": f"e{number}", "event_type": kind, "event_time": when, "session_id": session, "product_id": product}


def random_events(seed: int, count: int) -> list[Event]:
    """Few products, few sessions and whole minutes: pauses, midnights, equal times and repeated views come by themselves."""
    rng = random.Random(seed)
    found = []
    for number in range(count):
        late = f"{rng.randint(1, 4)} {rng.randint(22, 23)}:{rng.randint(0, 59):02d}"
        early = f"{rng.randint(1, 5)} 00:{rng.randint(0, 40):02d}"
        product = rng.choice([None, *(f"p{n}" for n in range(8))])
        kind = rng.choice(["view_item"] * 4 + ["page_view", "add_to_cart"])
        found.append(view(number, rng.choice([late, early]), f"s{rng.randint(1, 12)}", product, kind))
    return found


def hub(first: int, others: int) -> list[Event]:
    """One product between many others: it has more neighbours than are kept, most of them equally near."""
    products = [name for n in range(others) for name in ("hub", f"x{n:02d}")]
    return [view(first + n, f"3 12:{n // 4:02d}:{n % 4}", "hub", product) for n, product in enumerate(products)]


def visits(events: list[Event]) -> list[list[Event]]:
    """Events of one session_id, cut at pauses; of equal times the one that was sent first comes first."""
    cut: list[list[Event]] = []
    by_session: dict[str, list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda event: at(event["event_time"])):
        by_session[event["session_id"]].append(event)
    for found in by_session.values():
        for before, event in zip([None, *found], found, strict=False):
            if before is None or at(event["event_time"]) - at(before["event_time"]) > PAUSE:
                cut.append([])
            cut[-1].append(event)
    return cut


def sessions_of(events: list[Event], since: date, until: date) -> set[tuple[str, date, datetime, tuple[str, ...]]]:
    found = set()
    for visit in visits(events):
        start = at(visit[0]["event_time"])
        items = tuple(e["product_id"] for e in visit if e["event_type"] == "view_item" and e["product_id"])
        if len(items) >= 2 and since <= start.date() <= until:
            found.add((visit[0]["session_id"], start.date(), start, items))
    return found


def neighbours_of(sequences: list[tuple[str, ...]]) -> set[tuple[str, int, str, float]]:
    sums: dict[str, dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for items in sequences:
        for i, one in enumerate(items):
            for j, other in enumerate(items):
                if one != other and 0 < abs(i - j) <= 6:
                    sums[one][other] += Fraction(1, abs(i - j)) * (1 if j > i else Fraction(2, 5))
    ranked = {product: sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:50] for product, found in sums.items()}
    return {(product, n, other, float(weight)) for product, found in ranked.items() for n, (other, weight) in enumerate(found, 1)}


def tables(lake: LittleLake) -> tuple[set[Any], set[Any]]:
    rows = lake.table("features.training_sessions").selectExpr("session_id", "event_day", "unix_micros(started_at)", "items").collect()
    sessions = {(sid, day, micros, tuple(items)) for sid, day, micros, items in rows}
    assert len(sessions) == len(rows)
    return sessions, set(lake.rows("features.item_neighbours", "product_id", "position", "neighbour_id", "weight"))


def micros(sessions: set[tuple[str, date, datetime, tuple[str, ...]]]) -> set[Any]:
    return {(sid, day, round(start.timestamp() * 1e6), items) for sid, day, start, items in sessions}


def test_both_tables_equal_the_oracle(lake: LittleLake) -> None:
    events = random_events(1, 400) + hub(400, 60)
    lake.send(*(dict(event) for event in events))
    lake.night(day="2026-01-04")
    code, receipt = lake.run(features, "--window-days", "3", day="2026-01-04")
    assert (code, receipt.error) == (0, "")
    expected = sessions_of(events, date(2026, 1, 2), date(2026, 1, 4))
    neighbours = neighbours_of([items for *_, items in expected])
    assert max(place for _, place, _, _ in neighbours) == 50
    assert tables(lake) == (micros(expected), neighbours)
    assert receipt.rows == {features.SESSIONS: len(expected), features.NEIGHBOURS: len(neighbours)}

    before = lake.snapshots()
    again = lake.run(features, "--window-days", "3", day="2026-01-04")[1]
    assert (again.content, again.facts["changed"]) == (receipt.content, [])
    assert lake.snapshots() == before, "nothing new, so nothing written"


def test_a_night_of_a_day_long_past_takes_no_newer_day_away(lake: LittleLake) -> None:
    lake.send(
        view(1, "2 10:00", "s1", "p1"), view(2, "2 10:01", "s1", "p2"), view(3, "9 10:00", "s2", "p1"), view(4, "9 10:01", "s2", "p3")
    )
    lake.night(day="2026-01-09")
    facts = lake.run(features, day="2026-01-02")[1].facts
    assert (facts["since"], facts["until"]) == ("2025-07-14", "2026-01-09")
    asked = lake.run(features, "--until", "2026-01-02", day="2026-01-02")[1].facts
    assert asked["until"] == "2026-01-02"
    assert lake.rows("features.training_sessions", "session_id") == ["s1"]


@pytest.mark.parametrize("text", ["0", "-3", "many", "1.5", "99999"])
def test_a_window_without_days_is_one_clear_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--ref", "b", "--run", "r", "--day", "2026-01-02", "--receipt", "s3://lake/r.json", f"--window-days={text}"]
    with pytest.raises(SystemExit) as stop:
        features.main(words)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert "is no number of days" in error
    assert len(error.splitlines()) == 1
