"""Reads and appends rows of `serving.rollout`, and reads `ml.models`. An append is a compare-and-set on the rows that were read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from pyiceberg.table import Table, TableProperties

from clickstream_contracts import names
from clickstream_contracts.rollout_pointer import TABLE, Row, in_order
from clickstream_contracts.settings import Settings
from tools.rollout.steps import RolloutError

MODELS = "ml.models"


class Conflict(RuntimeError):
    """The table has another snapshot than the one that was read, or the response to the commit was lost: read it again."""


@dataclass(frozen=True)
class Snapshot:
    """The rows of `serving.rollout`, the oldest first, and the id of the Iceberg snapshot that holds them; None if it is empty."""

    rows: list[Row]
    id: int | None


class RolloutTable:
    """`serving.rollout` on main."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def read(self) -> Snapshot:
        """Returns the current rows."""
        table = self._catalog().load_table(TABLE)
        return Snapshot(in_order(table.scan().to_arrow().to_pylist()), _snapshot_id(table))

    def append(self, row: Mapping[str, Any], read: Snapshot, message: str, author: str) -> None:
        """Append a row by one commit on main. Raises Conflict unless the table still has the snapshot that was read."""
        headers = {"header.Nessie-Commit-Message": message, "header.Nessie-Commit-Authors": author}
        table = self._catalog(**headers).load_table(TABLE)
        if _snapshot_id(table) != read.id:
            raise Conflict(f"{TABLE} was changed since it was read")
        # PyIceberg would append again to the snapshot of another writer, which is what a compare-and-set must not do.
        table.metadata.properties[TableProperties.COMMIT_NUM_RETRIES] = "0"
        try:
            table.append(pa.Table.from_pylist([row], table.schema().as_arrow()))
        except (CommitFailedException, CommitStateUnknownException) as error:
            raise Conflict(f"{TABLE}: {error}") from None

    def metadata_location(self) -> str:
        """Returns the address of the table's current metadata file."""
        return str(self._catalog().load_table(TABLE).metadata_location)

    def model(self, sha256: str) -> dict[str, Any]:
        """Returns the row of a model. Raises RolloutError unless there is exactly one."""
        if not re.fullmatch("[0-9a-f]{64}", sha256):
            raise RolloutError(f"{sha256!r} is not the sha256 of a model: it has 64 digits of 0-9 and a-f")
        scan = self._catalog().load_table(MODELS).scan(row_filter=f"model_sha256 = '{sha256}'")
        rows: list[dict[str, Any]] = scan.to_arrow().to_pylist()
        if len(rows) != 1:
            raise RolloutError(f"{MODELS} has {len(rows)} rows of model {sha256[:12]}, expected one: register the model first")
        return rows[0]

    def _catalog(self, **headers: str) -> Catalog:
        """The catalog at main; `headers` are sent with each of its requests."""
        return RestCatalog("nessie", **self._settings.pyiceberg(names.MAIN), **headers)


def _snapshot_id(table: Table) -> int | None:
    snapshot = table.current_snapshot()
    return snapshot.snapshot_id if snapshot else None
