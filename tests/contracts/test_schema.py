"""The contract files hold what the packages rely on; a file that cannot be used is refused with the place and the reason."""

import pytest
import yaml

from clickstream_contracts import names, schema

MINIMAL = """
apiVersion: v3.1.0
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
WRITING_PACKAGES = {
    "raw": "flink_apps",
    "landing": "tools",
    "curated": "spark_apps",
    "marts": "spark_apps",
    "features": "spark_apps",
    "ml": "ray_apps",
    "serving": "tools",
}


def test_each_table_names_one_writer_in_the_package_that_writes_its_namespace() -> None:
    for contract in schema.tables().values():
        assert contract.writer.split(".")[0] == WRITING_PACKAGES[contract.namespace], contract.id


def test_raw_clicks_has_every_field_of_the_event() -> None:
    event_fields = [field.name for field in schema.event().fields]
    click_fields = [field.name for field in schema.tables()["raw.clicks"].fields]
    assert click_fields[: len(event_fields)] == event_fields


def test_quarantine_reasons_agree_with_the_names() -> None:
    assert schema.tables()["raw.quarantine"].field("reason").choices == names.QUARANTINE_REASONS


def test_tables_have_keys_versions_and_descriptions() -> None:
    assert all(contract.keys and contract.description and contract.version for contract in schema.tables().values())


def test_key_positions_count_from_one_without_a_gap() -> None:
    for contract in schema.tables().values():
        positions = [contract.field(name).key_position for name in contract.keys]
        assert positions == list(range(1, len(positions) + 1)), contract.id


def test_partitioning_is_read_from_the_columns_with_its_transform() -> None:
    assert schema.tables()["raw.clicks"].partitioning == ("day(ingested_at)",)
    assert schema.tables()["curated.events"].partitioning == ("event_day",)
    assert schema.tables()["curated.users"].partitioning == ()


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(KeyError, match=r"click\.v1 has no field colour"):
        schema.event().field("colour")


def table(**field: object) -> dict[str, object]:
    """Returns the part of a contract that holds one table with the field `a`."""
    return {"schema": [{"physicalType": "table", "properties": [{"name": "a", **field}]}]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"apiVersion": "v2"}, "not a data contract of ODCS v3.1.0"),
        ({"apiVersion": "v3.0.2"}, "not a data contract of ODCS v3.1.0"),
        ({"customProperties": []}, "customProperties have no writer"),
        (table(physicalType="text"), "raw.yaml.a: physicalType 'text'"),
        (table(physicalType="int"), "raw.yaml.a: add a description and an example"),
        (table(physicalType="int", description="a", examples=[1], primaryKey=True), "raw.yaml.a: primaryKey without primaryKeyPosition"),
    ],
)
def test_an_unusable_contract_is_refused_with_its_place(change: dict[str, object], message: str) -> None:
    text = yaml.safe_dump({**yaml.safe_load(MINIMAL), **change})
    with pytest.raises(schema.ContractError, match=message):
        schema.parse(text, "raw.yaml")
