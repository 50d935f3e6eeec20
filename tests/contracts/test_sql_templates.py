"""SQL templates: rendering, the shared formulas, and errors that name the file, the line and the variable."""

from pathlib import Path

import pytest

from clickstream_contracts.sql_templates import SHARED_SQL, TemplateError, render_file, render_text


def test_values_and_filters_are_filled_in() -> None:
    assert render_text("SELECT {{ column | upper_case }}", {"column": "a"}, filters={"upper_case": str.upper}) == "SELECT A"


def test_filters_of_one_rendering_are_unknown_to_the_next() -> None:
    render_text("{{ 'a' | only_here }}", {}, filters={"only_here": str.upper})
    with pytest.raises(TemplateError, match="No filter named 'only_here'"):
        render_text("{{ 'a' | only_here }}", {})


@pytest.mark.parametrize(
    ("call", "sql"),
    [
        ("formulas.amount()", "SELECT (price * COALESCE(quantity, 1)) AS amount"),
        ('formulas.amount("e.price", "e.quantity")', "SELECT (e.price * COALESCE(e.quantity, 1)) AS amount"),
    ],
)
def test_the_formula_of_the_amount_is_shared(tmp_path: Path, call: str, sql: str) -> None:
    path = tmp_path / "query.sql"
    path.write_text('{% import "formulas.sql" as formulas %}\nSELECT {{ ' + call + " }} AS amount")
    assert render_file(path, {}, include=(SHARED_SQL,)).strip() == sql


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("SELECT 1,\n{{ colum }}", "query.sql: line 2: 'colum' is undefined"),
        ("SELECT 1,\n\n{{ column", "query.sql: line 3: "),
        ('{% import "absent.sql" as absent %}', "query.sql: line 1: "),
    ],
)
def test_an_error_names_the_file_and_the_line(tmp_path: Path, template: str, message: str) -> None:
    path = tmp_path / "query.sql"
    path.write_text(template)
    with pytest.raises(TemplateError) as raised:
        render_file(path, {"column": "a"})
    assert f"{tmp_path}/{message}" in str(raised.value)


def test_an_undefined_variable_of_a_text_is_an_error() -> None:
    with pytest.raises(TemplateError, match="SQL template: 'colum' is undefined"):
        render_text("SELECT {{ colum }}", {})


@pytest.mark.parametrize(
    "template",
    ["{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ value.__init__.__globals__ }}", "{{ value.format.__globals__ }}"],
)
def test_a_template_cannot_reach_python_internals(template: str) -> None:
    with pytest.raises(TemplateError, match="unsafe"):
        render_text(template, {"value": "x"})
