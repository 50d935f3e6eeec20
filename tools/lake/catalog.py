"""The Iceberg catalog at a Nessie ref, and the tables as the contracts define them."""

import json

from pyiceberg.catalog.rest import Endpoints, RestCatalog
from pyiceberg.exceptions import CommitFailedException, NamespaceAlreadyExistsError, TableAlreadyExistsError
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.update.schema import UpdateSchema
from pyiceberg.transforms import parse_transform
from pyiceberg.types import DecimalType
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random

from clickstream_contracts import names, render, schema
from clickstream_contracts.settings import Settings
from tools.lake.object_store import ensure_bucket

# Iceberg numbers partition fields from 1000 on.
FIRST_PARTITION_FIELD_ID = 1000
# Decorator of functions that read a table and commit to it: another writer's commit repeats them.
retry_conflicts = retry(
    retry=retry_if_exception_type(CommitFailedException), stop=stop_after_attempt(5), wait=wait_random(0, 1), reraise=True
)


class SchemaError(RuntimeError):
    """The catalog refuses the columns of a contract; the text names the table and its answer."""


def open_catalog(settings: Settings, ref: str = names.MAIN) -> RestCatalog:
    """Returns the Iceberg catalog at a branch, a tag, or `branch@hash`."""
    return RestCatalog("nessie", **settings.pyiceberg(ref))


def row_count(catalog: RestCatalog, table: str) -> int:
    """Returns the number of rows of a table from the summary of its snapshot; reads no data file."""
    snapshot = catalog.load_table(table).current_snapshot()
    return int(snapshot.summary["total-records"]) if snapshot and snapshot.summary else 0


def partition_spec(contract: schema.Contract, table_schema: Schema) -> PartitionSpec:
    """Returns the contract's partitioning as a PyIceberg partition spec."""
    partitions = render.iceberg_partition(contract)
    if not partitions:
        return UNPARTITIONED_PARTITION_SPEC
    return PartitionSpec(
        *(
            PartitionField(table_schema.find_field(column).field_id, FIRST_PARTITION_FIELD_ID + i, parse_transform(transform), name)
            for i, (column, transform, name) in enumerate(partitions)
        )
    )


def create_table(catalog: RestCatalog, contract: schema.Contract) -> None:
    """Create a table. An existing one gets the fields that the contract gained since, its wider decimals and its partitioning.

    Data files that were written with another partitioning stay as they are.
    """
    table_schema = Schema.model_validate(render.iceberg_schema(contract))
    try:
        catalog.create_table(
            contract.id,
            table_schema,
            partition_spec=partition_spec(contract, table_schema),
            properties={"format-version": "2", "comment": contract.description},
        )
    except TableAlreadyExistsError:
        table = catalog.load_table(contract.id)
        _change_columns(catalog, table, table_schema)
        _change_partitioning(table, contract)


def _change_columns(catalog: RestCatalog, table: Table, contract_schema: Schema) -> None:
    """Add the columns that the table lacks, and widen decimals that have fewer digits than the contract's."""
    existing = {field.name: field.field_type for field in table.schema().fields}
    update = table.update_schema()
    new_fields = [field for field in contract_schema.fields if field.name not in existing]
    wider = [
        f for f in contract_schema.fields if isinstance(f.field_type, DecimalType) and existing.get(f.name, f.field_type) != f.field_type
    ]
    for field in new_fields:
        update.add_column(field.name, field.field_type, field.doc)
    for field in wider:
        update.update_column(field.name, field.field_type)
    if new_fields or wider:
        _commit_schema(catalog, table, update)


def _commit_schema(catalog: RestCatalog, table: Table, update: UpdateSchema) -> None:
    """Commit a changed schema. PyIceberg sends no `last-column-id`, without which Nessie answers HTTP 400.

    Raises SchemaError if the catalog refuses it.
    """
    updates, requirements = update._commit()
    changes = [json.loads(each.model_dump_json()) for each in updates]
    for change in changes:
        if change["action"] == "add-schema":
            change["last-column-id"] = max(table.metadata.last_column_id, Schema.model_validate(change["schema"]).highest_field_id)
    body = {"requirements": [json.loads(each.model_dump_json()) for each in requirements], "updates": changes}
    address = catalog.url(Endpoints.update_table, prefixed=True, **catalog._split_identifier_for_path(table.name()))
    response = catalog._session.post(address, json=body)
    if not response.ok:
        raise SchemaError(
            f"{'.'.join(table.name())}: the catalog refuses the new columns: HTTP {response.status_code} {response.text[:300]}"
        )
    table.refresh()


def _change_partitioning(table: Table, contract: schema.Contract) -> None:
    fields = {table.schema().find_column_name(field.source_id): field for field in table.spec().fields}
    current = [(column, str(field.transform)) for column, field in fields.items()]
    wanted = render.iceberg_partition(contract)
    if current == [(column, transform) for column, transform, _ in wanted]:
        return
    with table.update_spec() as update:
        for field in fields.values():
            update.remove_field(field.name)
        for column, transform, name in wanted:
            update.add_field(column, parse_transform(transform), name)


def ensure(settings: Settings) -> None:
    """Create the bucket, the namespaces and the tables that do not exist yet; may be repeated."""
    ensure_bucket(settings)
    catalog = open_catalog(settings)
    for namespace in sorted({contract.namespace for contract in schema.tables().values()}):
        try:
            catalog.create_namespace(namespace)
        except NamespaceAlreadyExistsError:
            continue
    for contract in schema.tables().values():
        create_table(catalog, contract)
