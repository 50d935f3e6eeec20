"""SQL files are filled in with names of the contract and with literals, and with nothing else."""

from datetime import UTC, date, datetime

import pytest

from spark_apps import queries


def fill(text: str, **values: object) -> str:
    return queries.render(text, lambda table: f"branch.{table}", lambda table: f"main.{table}", values)


def test_tables_and_values_are_filled_in() -> None:
    text = "{curated.events} {curated.events@published} {days} {bounds}"
    filled = fill(text, days=[date(2026, 1, 2), date(2026, 1, 3)], bounds=[(0, 1, 2)])
    assert filled == "branch.curated.events main.curated.events DATE'2026-01-02', DATE'2026-01-03' (0, 1, 2)"


def test_text_cannot_leave_its_quotes() -> None:
    assert fill("{run}", run="a'b\\") == r"'a\'b\\'"


def test_a_time_names_its_zone() -> None:
    assert queries.literal(datetime(2026, 1, 2, 3, tzinfo=UTC)) == "TIMESTAMP'2026-01-02 03:00:00.000000+00:00'"


@pytest.mark.parametrize("text", ["{curated.nothing}", "{days}", "{raw.clicks}{typo}"])
def test_an_unknown_name_is_an_error(text: str) -> None:
    with pytest.raises(queries.QueryError, match="neither a table"):
        fill(text)


def test_a_value_of_unknown_type_is_an_error() -> None:
    with pytest.raises(queries.QueryError, match="no SQL literal"):
        queries.literal(1.5)
