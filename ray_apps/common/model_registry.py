"""The tables of models and of the rollout: which model serves, where each one is stored, and rows that are written once."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table

from clickstream_contracts.rollout_pointer import Pointer, in_order
from clickstream_contracts.settings import Settings

ROLLOUT, MODELS, EVALUATIONS = "serving.rollout", "ml.models", "ml.evaluations"
KEY = "model_sha256"
Row = dict[str, Any]


class RegistryError(LookupError):
    """A table does not have the one row of a model, or a name cannot be that of a model."""


def open_catalog(settings: Settings, ref: str, **headers: str) -> RestCatalog:
    """The Iceberg catalog at a branch, a tag or `branch@hash`; `headers` are sent with each of its requests."""
    return RestCatalog("nessie", **settings.pyiceberg(ref), **headers)


def rollout_steps(catalog: RestCatalog) -> list[Mapping[str, Any]]:
    """All rows of `serving.rollout`, the oldest first. Raises NoSuchTableError."""
    return in_order(catalog.load_table(ROLLOUT).scan().to_arrow().to_pylist())


def pointer(catalog: RestCatalog) -> Pointer:
    """The current pointer; an empty one if there was no rollout yet. Raises NoSuchTableError."""
    return Pointer.newest(rollout_steps(catalog))


def champion(catalog: RestCatalog) -> tuple[str, str]:
    """sha256 and folder of the stable model; both empty if there is none yet."""
    try:
        sha256 = pointer(catalog).stable
    except NoSuchTableError:
        return "", ""
    if not sha256:
        return "", ""
    return sha256, model_row(catalog, sha256)["uri"]


def model_row(catalog: RestCatalog, sha256: str) -> Row:
    """The row of a model in `ml.models`. Raises RegistryError unless there is exactly one."""
    rows: list[Row] = catalog.load_table(MODELS).scan(_rows_of(sha256)).to_arrow().to_pylist()
    if len(rows) != 1:
        raise RegistryError(f"{MODELS} has {len(rows)} rows of model {sha256[:12]}, expected one: register the model first")
    return rows[0]


def replace_rows(table: Table, rows: list[Row], sha256: str) -> None:
    """Make these the only rows of a model, in one commit: a repeated run leaves the same rows."""
    data = pa.Table.from_pylist(rows, table.schema().as_arrow())
    with table.transaction() as transaction:
        if table.scan(_rows_of(sha256), selected_fields=(KEY,)).count():
            transaction.delete(_rows_of(sha256))
        transaction.append(data)


def _rows_of(sha256: str) -> str:
    """PyIceberg's filter for the rows of a model. Raises RegistryError."""
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise RegistryError(f"{sha256!r} is not the sha256 of a model: it has 64 digits of 0-9 and a-f")
    return f"{KEY} = '{sha256}'"


def now() -> datetime:
    """The current time, with the time zone that Iceberg's timestamptz needs."""
    return datetime.now(UTC)
