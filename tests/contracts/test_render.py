"""Golden tests: the output of the renderers is compared with files. RENEW_GOLDEN=1 writes the files again."""

import json
import os
from pathlib import Path

import pytest
from pyiceberg.schema import Schema

from clickstream_contracts import render, schema

GOLDEN = Path(__file__).parent / "golden"


def rendered() -> dict[str, str]:
    """Returns the text of each golden file by its name."""
    tables = schema.tables().values()
    iceberg = {c.id: {"schema": render.iceberg_schema(c), "partition": render.iceberg_partition(c)} for c in tables}
    columns = {c.id: {f.name: [render.flink_type(f), render.spark_type(f)] for f in c.fields} for c in tables}
    return {
        "iceberg.json": json.dumps(iceberg, indent=1),
        "sql_columns.json": json.dumps(columns, indent=1),
        "click.v1.schema.json": json.dumps(render.json_schema(schema.event()), indent=1),
    }


@pytest.mark.parametrize("name", sorted(rendered()))
def test_rendering_equals_the_golden_file(name: str) -> None:
    path = GOLDEN / name
    if os.environ.get("RENEW_GOLDEN"):
        path.write_text(rendered()[name] + "\n")
    assert path.read_text() == rendered()[name] + "\n"


@pytest.mark.parametrize("contract", schema.tables().values(), ids=lambda c: c.id)
def test_pyiceberg_reads_the_schema(contract: schema.Contract) -> None:
    parsed = Schema.model_validate(render.iceberg_schema(contract))
    assert [f.name for f in parsed.fields] == [f.name for f in contract.fields]


def test_generated_pages_are_up_to_date() -> None:
    docs = Path(__file__).parents[2] / "docs"
    assert (docs / "contract.md").read_text() == render.page([schema.event(), *schema.tables().values()]), "run `make docs`"
    assert (docs / "settings.md").read_text() == render.settings_page(), "run `make docs`"
