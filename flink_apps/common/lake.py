"""The Iceberg catalog `lake`: registers it in a session, and names its tables as Flink SQL does."""

from typing import Any

from clickstream_contracts import lake_clients, schema
from clickstream_contracts.settings import Settings
from flink_apps.common import sql


def register_catalog(tables: Any, settings: Settings) -> None:
    """Register the catalog `lake`, the Iceberg tables on Nessie's main branch, in a TableEnvironment."""
    tables.execute_sql(catalog_statement(settings))


def catalog_statement(settings: Settings) -> str:
    """Returns the statement that creates the catalog. Never save or print it: it holds the keys of the object store."""
    options = {"type": "iceberg", "catalog-type": "rest"} | lake_clients.iceberg_java(settings)
    return f"CREATE CATALOG lake WITH ({', '.join(f'{sql.literal(key)} = {sql.literal(value)}' for key, value in options.items())})"


def table_name(contract_id: str) -> str:
    """Returns the quoted name of a table in the catalog, for example lake.`raw`.`clicks` for `raw.clicks`."""
    contract = schema.tables()[contract_id]
    return f"lake.`{contract.namespace}`.`{contract.table}`"
