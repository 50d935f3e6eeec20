"""SQL files are rendered with table names of the contract and with typed literals; an unknown name is an error."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from clickstream_contracts.sql_templates import TemplateError
from spark_apps.common import sql

SPARK_APPS = Path(sql.__file__).parents[1]
# Files that hold only macros, so they have no rows.
MACRO_FILES = {"common/macros.sql", "common/quarantine_macros.sql", "marts/fraud_macros.sql"}

Render = Callable[..., str]


@pytest.fixture
def render(tmp_path: Path) -> Render:
    """Returns a function that renders a template's text with values."""

    def rendered(text: str, **values: object) -> str:
        path = tmp_path / "query.sql"
        path.write_text(text)
        return sql.render(path, lambda table: f"branch.{table}", lambda table: f"main.{table}", values)

    return rendered


def test_tables_and_values_are_rendered(render: Render) -> None:
    text = "{{ table('curated.events') }} {{ published('curated.events') }} {{ days | literal }} {{ ranges | literal }}"
    rendered = render(text, days=[date(2026, 1, 2), date(2026, 1, 3)], ranges=[(0, 1, 2)])
    assert rendered == "branch.curated.events main.curated.events DATE'2026-01-02', DATE'2026-01-03' (0, 1, 2)"


def test_quotes_in_a_value_are_escaped(render: Render) -> None:
    assert render("{{ run | literal }}", run="a'b\\") == r"'a\'b\\'"


def test_a_timestamp_literal_has_a_time_zone() -> None:
    assert sql.literal(datetime(2026, 1, 2, 3, tzinfo=UTC)) == "TIMESTAMP'2026-01-02 03:00:00.000000+00:00'"


@pytest.mark.parametrize("function", ["table", "published"])
def test_a_table_without_contract_is_an_error(render: Render, function: str) -> None:
    with pytest.raises(sql.QueryError, match=r"no contract declares a table 'curated\.nothing'"):
        render(f"{{{{ {function}('curated.nothing') }}}}")


@pytest.mark.parametrize(("text", "name"), [("{{ days | literal }}", "days"), ("{{ table('raw.clicks') }}{{ typo }}", "typo")])
def test_an_undefined_value_is_an_error_that_names_it(render: Render, text: str, name: str) -> None:
    with pytest.raises(TemplateError, match=f"'{name}' is undefined"):
        render(text)


def test_a_value_of_unknown_type_is_an_error() -> None:
    with pytest.raises(sql.QueryError, match=r"no SQL literal for the value 1\.5 of type float"):
        sql.literal(1.5)


def test_an_amount_of_a_row_without_the_column_is_computed(render: Render) -> None:
    rendered = render('{% import "macros.sql" as macros %}\n{{ macros.amount_of("e") }}')
    assert rendered == "coalesce(e.amount, (e.price * COALESCE(e.quantity, 1)))"


def test_every_model_begins_with_its_grain() -> None:
    models = {path for path in SPARK_APPS.rglob("*.sql") if path.parent.name != "audits"}
    without_grain = {str(path.relative_to(SPARK_APPS)) for path in models if not path.read_text().startswith("-- grain: one row per ")}
    assert without_grain == MACRO_FILES
    assert len(models) > 30
