"""Tables of an existing lake get the partitioning and the wider decimals of the contracts; what they hold stays readable."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform

from clickstream_contracts import render, schema
from clickstream_contracts.settings import Settings
from tests.tools.raw_tables import ARRIVAL, append
from tools.lake.catalog import create_table, open_catalog

pytestmark = pytest.mark.engine
CLICKS = "raw.clicks"


@pytest.fixture
def settings(storage: Settings) -> Settings:
    """A lake without raw.clicks."""
    open_catalog(storage).drop_table(CLICKS)
    return storage


def create_table_of_an_earlier_release(settings: Settings) -> None:
    """Creates raw.clicks partitioned by the day of the event."""
    contract_schema = Schema.model_validate(render.iceberg_schema(schema.tables()[CLICKS]))
    event_time = contract_schema.find_field("event_time")
    spec = PartitionSpec(PartitionField(event_time.field_id, 1000, DayTransform(), "event_time_day"))
    open_catalog(settings).create_table(CLICKS, contract_schema, partition_spec=spec, properties={"format-version": "2"})


def append_clicks_of_days(settings: Settings, days: int) -> None:
    """Appends one click for each of some days of the event, all of which arrive in the same second."""
    click = {"event_type": "page_view", "session_id": "s", "schema_version": 1, "kafka_partition": 0, "ingested_at": ARRIVAL}
    rows = [click | {"event_id": f"e{n}", "event_time": ARRIVAL - timedelta(days=n), "kafka_offset": n} for n in range(days)]
    append(open_catalog(settings).load_table(CLICKS), rows)


def data_files(settings: Settings) -> int:
    return len(list(open_catalog(settings).load_table(CLICKS).scan().plan_files()))


def test_clicks_of_many_days_that_arrive_together_are_one_file(settings: Settings) -> None:
    create_table(open_catalog(settings), schema.tables()[CLICKS])
    append_clicks_of_days(settings, 100)
    assert data_files(settings) == 1


def test_a_table_that_was_partitioned_by_the_day_of_the_event_is_from_now_on_partitioned_by_arrival(settings: Settings) -> None:
    create_table_of_an_earlier_release(settings)
    append_clicks_of_days(settings, 5)
    assert data_files(settings) == 5
    for _ in range(2):
        create_table(open_catalog(settings), schema.tables()[CLICKS])
    append_clicks_of_days(settings, 100)
    assert data_files(settings) == 6
    table = open_catalog(settings).load_table(CLICKS)
    assert len(table.scan().to_arrow()) == 105
    assert [field.name for field in table.spec().fields] == ["ingested_at_day"]


def released_schema(contract: schema.Contract, *missing: str) -> Schema:
    """Returns the schema of a contract as an earlier release had it: sums of 18 digits, and without some columns."""
    text = json.dumps(render.iceberg_schema(contract)).replace("decimal(38,2)", "decimal(18,2)").replace("decimal(38, 2)", "decimal(18, 2)")
    content = json.loads(text)
    content["fields"] = [field for field in content["fields"] if field["name"] not in missing]
    return Schema.model_validate(content)


def test_a_table_of_an_earlier_release_gets_new_columns_and_more_digits_and_keeps_its_values(storage: Settings) -> None:
    orders = schema.tables()["curated.orders"]
    catalog = open_catalog(storage)
    catalog.drop_table(orders.id)
    catalog.create_table(orders.id, released_schema(orders, "repeats", "currencies"), properties={"format-version": "2"})
    at = {"order_day": ARRIVAL.date(), "ordered_at": ARRIVAL, "last_at": ARRIVAL}
    order = {field.name: {"long": 1, "int": 1, "string": "s"}.get(field.type) for field in orders.fields if field.required} | at
    append(catalog.load_table(orders.id), [order | {"revenue": Decimal("12.34"), "refunded": Decimal(0)}])
    for _ in range(2):
        create_table(open_catalog(storage), orders)
    append(open_catalog(storage).load_table(orders.id), [order | {"revenue": Decimal("1e20"), "refunded": Decimal(0), "repeats": 3}])
    rows = open_catalog(storage).load_table(orders.id).scan().to_arrow().to_pylist()
    assert sorted((row["revenue"], row["repeats"]) for row in rows) == [(Decimal("12.34"), None), (Decimal("1e20"), 3)]
