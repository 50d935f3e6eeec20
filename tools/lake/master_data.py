"""Master data: users and products land in append-only tables; a state that is there already is not written again."""

from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.compute as pc
import typer
from pyarrow import csv
from pyiceberg.exceptions import CommitFailedException
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random

from clickstream_contracts import schema
from clickstream_contracts.settings import Settings
from tools.common.command import UsageError, current_settings, errors_in_one_line, run_app
from tools.lake import catalog as lake

USERS, PRODUCTS = "landing.users", "landing.products"
EARLIEST = "2000-01-01T00:00:00Z"

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=False)


# Another shop may land its states at the same moment: the loser reads the table again and repeats the whole append.
@retry(retry=retry_if_exception_type(CommitFailedException), stop=stop_after_attempt(5), wait=wait_random(0, 1), reraise=True)
def append(settings: Settings, table: str, states: pa.Table) -> int:
    """Write the states that the table does not hold yet; returns how many. A state is known by its id and updated_at."""
    target = lake.catalog(settings).load_table(table)
    keys = list(schema.tables()[table].keys)
    rows = pa.table({f.name: _column(states, f) for f in target.schema().as_arrow()}, schema=target.schema().as_arrow())
    there = target.scan(selected_fields=tuple(keys)).to_arrow()
    new = rows.filter(pa.array(_unseen(rows.select(keys), there.select(keys)), pa.bool_()))
    if len(new):
        target.append(new)
    return len(new)


def contradicted(settings: Settings, table: str, states: pa.Table) -> list[str]:
    """Ids of states that the table holds already, of the same date and with other values."""
    target = lake.catalog(settings).load_table(table)
    rows = pa.table({f.name: _column(states, f) for f in target.schema().as_arrow()}, schema=target.schema().as_arrow())
    keys = list(schema.tables()[table].keys)
    there = target.scan().to_arrow().select(rows.column_names)
    held = dict(zip(_keys(there.select(keys)), there.to_pylist(), strict=True))
    mine = zip(_keys(rows.select(keys)), rows.to_pylist(), strict=True)
    return [str(row[keys[0]]) for key, row in mine if held.get(key, row) != row]


def _column(states: pa.Table, field: pa.Field) -> pa.ChunkedArray | pa.Array:
    if field.name not in states.column_names:
        return pa.nulls(len(states), field.type)
    column = states[field.name]
    return (
        pc.round(column, 2).cast(field.type)
        if pa.types.is_decimal(field.type) and not pa.types.is_null(column.type)
        else column.cast(field.type)
    )


def _unseen(rows: pa.Table, there: pa.Table) -> list[bool]:
    """Rows whose key is neither in `there` nor earlier in `rows`."""
    seen, mine = set(_keys(there)), _keys(rows)
    first = {key: i for i, key in reversed(list(enumerate(mine)))}
    return [key not in seen and first[key] == i for i, key in enumerate(mine)]


def _keys(table: pa.Table) -> list[str]:
    who, since = table.columns
    return [f"{a}@{b}" for a, b in zip(who.to_pylist(), since.cast(pa.int64()).to_pylist(), strict=True)]


def read_csv(path: Path, table: str) -> pa.Table:
    """A users or products file: the landing table's columns by name; updated_at is optional. Raises UsageError."""
    contract = schema.tables()[table]
    names = [field.name for field in contract.fields]
    try:
        found = csv.read_csv(
            path, convert_options=csv.ConvertOptions(column_types={n: pa.string() for n in names}, strings_can_be_null=True)
        )
    except (OSError, pa.ArrowInvalid) as error:
        raise UsageError(f"{path} cannot be read as CSV: {error}") from None
    unknown = [name for name in found.column_names if name not in names]
    if contract.keys[0] not in found.column_names or unknown:
        wrong = f"unknown column {unknown[0]}" if unknown else f"no column {contract.keys[0]}"
        raise UsageError(f"{path}: {wrong}; {table} takes {', '.join(names)}")
    if "updated_at" not in found.column_names:
        # Without a date the state has held for ever; a fixed day keeps a second load from doubling it.
        found = found.append_column("updated_at", pa.array([EARLIEST] * len(found)))
    return _typed(found, table, path)


def _typed(found: pa.Table, table: str, path: Path) -> pa.Table:
    columns = {}
    for name in found.column_names:
        kind = schema.tables()[table].field(name).type
        wanted = {"timestamptz": pa.timestamp("us", tz="UTC")}.get(
            kind, pa.decimal128(18, 2) if kind.startswith("decimal") else pa.string()
        )
        try:
            columns[name] = found[name].cast(wanted)
        except pa.ArrowInvalid as error:
            raise UsageError(f"{path}: column {name}: {error}") from None
    return pa.table(columns)


@app.command()
@errors_in_one_line()
def load(
    users: Annotated[Path | None, typer.Option(help="CSV of users.", exists=True, dir_okay=False)] = None,
    products: Annotated[Path | None, typer.Option(help="CSV of products.", exists=True, dir_okay=False)] = None,
) -> None:
    """Load users and products from CSV files whose columns are named as the landing tables' are."""
    files = {table: path for table, path in ((USERS, users), (PRODUCTS, products)) if path}
    if not files:
        raise UsageError("nothing to load: give --users FILE or --products FILE")
    for table, states in {table: read_csv(path, table) for table, path in files.items()}.items():
        changed = contradicted(current_settings(), table, states)
        if changed:
            raise UsageError(
                f"{files[table]}: {table} knows {changed[0]} and {len(changed) - 1} more with other values of the same date, and history is"
                " kept: give the new values a later updated_at"
            )
        typer.echo(f"{table}: {append(current_settings(), table, states)} new of {len(states)} states")


if __name__ == "__main__":
    run_app(app)
