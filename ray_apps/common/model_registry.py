"""What the lake knows of models: which one serves, where each one is, and rows that are written once."""

import re
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table

from clickstream_contracts.settings import Settings

ROLLOUT, MODELS, EVALUATIONS = "serving.rollout", "ml.models", "ml.evaluations"
KEY = "model_sha256"
Row = dict[str, Any]


class RegistryError(ValueError):
    """The lake does not know what it should; the text says what."""


def catalog(settings: Settings, ref: str, **headers: str) -> RestCatalog:
    """The Iceberg catalog at a branch, a tag or `branch@hash`; `headers` go along with each of its requests."""
    return RestCatalog("nessie", **settings.pyiceberg(ref), **headers)


def steps(lake: RestCatalog) -> list[Row]:
    """Every step of every rollout, the oldest first; none where no table is yet."""
    try:
        found: list[Row] = lake.load_table(ROLLOUT).scan().to_arrow().sort_by("at").to_pylist()
    except NoSuchTableError:
        return []
    return found


def champion(lake: RestCatalog) -> tuple[str, str]:
    """sha256 and folder of the model that serves; both empty if there is none yet."""
    sha256 = next((step["stable"] for step in reversed(steps(lake))), "")
    return (sha256, model(lake, sha256)["uri"]) if sha256 else ("", "")


def model(lake: RestCatalog, sha256: str) -> Row:
    """The row of a model. Raises RegistryError if there is none."""
    found: list[Row] = lake.load_table(MODELS).scan(_of(sha256)).to_arrow().to_pylist()
    if len(found) != 1:
        raise RegistryError(f"{MODELS} holds {len(found)} rows of model {sha256[:12] or 'without a name'}, not one")
    return found[0]


def put(table: Table, rows: list[Row], sha256: str) -> None:
    """Make these the only rows of a model, in one commit: doing it again changes nothing but the time."""
    data = pa.Table.from_pylist(rows, table.schema().as_arrow())
    with table.transaction() as transaction:
        if table.scan(_of(sha256), selected_fields=(KEY,)).count():
            transaction.delete(_of(sha256))
        transaction.append(data)


def _of(sha256: str) -> str:
    """The rows of a model, as PyIceberg's filter."""
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise RegistryError(f"{sha256!r} is no sha256 of a model: it has 64 digits of 0-9 and a-f")
    return f"{KEY} = '{sha256}'"


def now() -> datetime:
    """The time, as Iceberg keeps it."""
    return datetime.now(UTC)
