"""The contract files say everything that the rooms rely on, and a broken file is refused with its place."""

import pytest
import yaml

from clickstream_contracts import names, schema

MINIMAL = """
apiVersion: v3.0.2
kind: DataContract
id: raw.x
version: 1.0.0
description: {purpose: x}
schema:
  - physicalType: table
    properties:
      - {name: a, physicalType: string, description: a, examples: [a]}
customProperties:
  - {property: writer, value: flink_apps.x}
"""


def test_each_table_names_one_writer_and_a_room_that_may_write_its_namespace() -> None:
    rooms = {"raw": "flink_apps", "landing": "tools", "curated": "spark_apps", "marts": "spark_apps", "serving": "ray_apps"}
    assert {c.id: c.writer.split(".")[0] for c in schema.tables().values()} == {c.id: rooms[c.namespace] for c in schema.tables().values()}


def test_raw_clicks_holds_every_field_of_the_event() -> None:
    clicks = schema.tables()["raw.clicks"]
    assert [f.name for f in clicks.fields[: len(schema.event().fields)]] == [f.name for f in schema.event().fields]


def test_quarantine_reasons_agree_with_the_names() -> None:
    assert schema.tables()["raw.quarantine"].field("reason").choices == names.QUARANTINE_REASONS


def test_tables_and_events_have_keys_versions_and_descriptions() -> None:
    assert all(c.keys and c.description and c.version for c in schema.tables().values())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"apiVersion": "v2"}, "not an ODCS v3 data contract"),
        ({"customProperties": []}, "name no writer"),
        ({"schema": [{"physicalType": "table", "properties": [{"name": "a", "physicalType": "text"}]}]}, "raw.yaml.a: type 'text'"),
        ({"schema": [{"physicalType": "table", "properties": [{"name": "a", "physicalType": "int"}]}]}, "an example are needed"),
    ],
)
def test_a_broken_contract_is_refused_with_its_place(change: dict[str, object], said: str) -> None:
    text = yaml.safe_dump({**yaml.safe_load(MINIMAL), **change})
    with pytest.raises(schema.ContractError, match=said):
        schema.parse(text, "raw.yaml")
