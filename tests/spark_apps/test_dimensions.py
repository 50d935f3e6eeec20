"""Versions made of states: repeats, equal neighbours, ties, states that come late."""

from spark_apps import dimensions
from tests.spark_apps.little_lake import LittleLake, at


def versions(lake: LittleLake) -> list[tuple[str, ...]]:
    assert lake.run(dimensions)[0] == 0
    rows = lake.table("curated.users").selectExpr("country", "string(valid_from)", "string(valid_to)", "string(is_current)")
    return sorted(tuple(str(value) for value in row) for row in rows.collect())


def state(country: str | None, when: str) -> dict[str, object]:
    return {"user_id": "u1", "country": country, "updated_at": at(when)}


def test_states_become_versions_without_gap(lake: LittleLake) -> None:
    lake.insert(
        "landing.users",
        state("DE", "1 00:00"),
        state("DE", "1 00:00"),
        state("DE", "2 00:00"),
        state(None, "3 00:00"),
        state("DE", "4 00:00"),
    )
    expected = [
        ("DE", "2026-01-01 00:00:00", "2026-01-03 00:00:00", "false"),
        ("DE", "2026-01-04 00:00:00", "None", "true"),
        ("None", "2026-01-03 00:00:00", "2026-01-04 00:00:00", "false"),
    ]
    assert versions(lake) == expected
    commits = lake.snapshots()
    assert versions(lake) == expected
    assert lake.snapshots() == commits, "nothing new, so nothing written"

    lake.insert("landing.users", state("FR", "1 12:00"), state("AT", "1 12:00"))
    found = versions(lake)
    assert ("AT", "2026-01-01 12:00:00", "2026-01-02 00:00:00", "false") in found, "of two states of one instant always the same wins"
    assert len(found) == 5
