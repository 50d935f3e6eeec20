"""The lake's doors for tools: the Iceberg catalog at a ref, and the tables as the contract wants them."""

from typing import Any

import boto3
from botocore.config import Config
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError, TableAlreadyExistsError
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.transforms import parse_transform

from clickstream_contracts import names, render, schema
from clickstream_contracts.settings import Settings


def s3_client(settings: Settings) -> Any:
    """A boto3 client of the object store."""
    key, secret = settings.s3_credentials()
    return boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint,
        region_name=settings.s3_region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 8, "mode": "standard"}),
    )


def catalog(settings: Settings, ref: str = names.MAIN) -> RestCatalog:
    """The Iceberg catalog at a branch, a tag, or `branch@hash`."""
    return RestCatalog("nessie", **settings.pyiceberg(ref))


def rows(at: RestCatalog, table: str) -> int:
    """A table's rows, from its snapshot's summary."""
    snapshot = at.load_table(table).current_snapshot()
    return int(snapshot.summary["total-records"]) if snapshot and snapshot.summary else 0


def partition_spec(contract: schema.Contract, table_schema: Schema) -> PartitionSpec:
    """The contract's partitioning as PyIceberg wants it."""
    parts = render.iceberg_partition(contract)
    if not parts:
        return UNPARTITIONED_PARTITION_SPEC
    return PartitionSpec(
        *(
            PartitionField(table_schema.find_field(column).field_id, 1000 + i, parse_transform(transform), name)
            for i, (column, transform, name) in enumerate(parts)
        )
    )


def create(lake: RestCatalog, contract: schema.Contract) -> None:
    """Create a table unless it exists; fields that the contract gained since then are added, nothing else changes."""
    wanted = Schema.model_validate(render.iceberg_schema(contract))
    try:
        lake.create_table(
            contract.id,
            wanted,
            partition_spec=partition_spec(contract, wanted),
            properties={"format-version": "2", "comment": contract.description},
        )
    except TableAlreadyExistsError:
        _add_missing(lake.load_table(contract.id), wanted)


def _add_missing(table: Table, wanted: Schema) -> None:
    there = {f.name for f in table.schema().fields}
    missing = [f for f in wanted.fields if f.name not in there]
    if not missing:
        return
    with table.update_schema() as update:
        for field in missing:
            update.add_column(field.name, field.field_type, field.doc)


def ensure(settings: Settings) -> None:
    """Create the bucket, the namespaces and the tables that are not there yet. Safe to repeat."""
    client = s3_client(settings)
    if settings.s3_bucket not in {b["Name"] for b in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket=settings.s3_bucket)
    lake = catalog(settings)
    for namespace in sorted({c.namespace for c in schema.tables().values()}):
        try:
            lake.create_namespace(namespace)
        except NamespaceAlreadyExistsError:
            continue
    for contract in schema.tables().values():
        create(lake, contract)
