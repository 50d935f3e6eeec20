"""The Iceberg catalog `lake`: registers it in a session, and names its tables as Flink SQL does."""

from typing import Any

from clickstream_contracts import schema
from clickstream_contracts.settings import Settings
from flink_apps.common import sql


def register_catalog(tables: Any, settings: Settings) -> None:
    """Register the catalog `lake`, the Iceberg tables on Nessie's main branch, in a TableEnvironment."""
    access_key, secret_key = settings.s3_credentials()
    values = {"iceberg_uri": settings.iceberg_uri(), "s3_access_key": access_key, "s3_secret_key": secret_key}
    [statement] = sql.split_statements(sql.render(sql.COMMON / "lake.sql", vars(settings) | values))
    tables.execute_sql(statement)


def table_name(contract_id: str) -> str:
    """Returns the quoted name of a table in the catalog, for example lake.`raw`.`clicks` for `raw.clicks`."""
    contract = schema.tables()[contract_id]
    return f"lake.`{contract.namespace}`.`{contract.table}`"
