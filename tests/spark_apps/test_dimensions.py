"""Versions of a user from states with repetitions, unchanged neighbours, equal times and late arrival."""

from spark_apps.dimensions import app as dimensions
from tests.spark_apps.local_lake import LocalLake, at


def versions(lake: LocalLake) -> list[tuple[str, ...]]:
    assert lake.run(dimensions)[0] == 0
    rows = lake.table("curated.users").selectExpr("country", "string(valid_from)", "string(valid_to)", "string(is_current)")
    return sorted(tuple(str(value) for value in row) for row in rows.collect())


def state(country: str | None, when: str) -> dict[str, object]:
    return {"user_id": "u1", "country": country, "updated_at": at(when)}


def test_states_become_versions_without_gaps(lake: LocalLake) -> None:
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
    commits = lake.commits()
    assert versions(lake) == expected
    assert lake.commits() == commits, "an unchanged table is not written"

    lake.insert("landing.users", state("FR", "1 12:00"), state("AT", "1 12:00"))
    changed = versions(lake)
    assert ("AT", "2026-01-01 12:00:00", "2026-01-02 00:00:00", "false") in changed, "of two states of one instant always the same wins"
    assert len(changed) == 5
