"""Rows and tags of a lake for the tests of backups."""

import pyarrow as pa

from clickstream_contracts.settings import Settings
from tools.lake import catalog, nessie


def append_users(settings: Settings, *ids: str) -> None:
    """Append users to landing.users on main."""
    table = catalog.open_catalog(settings).load_table("landing.users")
    columns = table.schema().as_arrow()
    rows = {field.name: pa.nulls(len(ids), field.type) for field in columns}
    rows |= {"user_id": pa.array(ids), "updated_at": pa.array([0] * len(ids), columns.field("updated_at").type)}
    table.append(pa.table({field.name: rows[field.name] for field in columns}, schema=columns))


def tag(settings: Settings, name: str) -> None:
    """Tag main as it is now."""
    source = {"type": "BRANCH", "name": "main", "hash": nessie.commit_hash(settings)}
    nessie.request(settings, "POST", "trees", params={"name": name, "type": "TAG"}, json=source)


def users(settings: Settings, ref: str) -> list[str]:
    rows = catalog.open_catalog(settings, ref).load_table("landing.users").scan().to_arrow()
    return sorted(rows["user_id"].to_pylist())
