"""Master data: appends states of users and products to the landing tables; a state that a table holds is not written again.

A state is identified by its id and updated_at. Used by the shop and by replay; as a command it loads files, also of currency rates.
"""

from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.compute as pc
import typer

from clickstream_contracts import schema
from clickstream_contracts.settings import Settings
from tools.common.command import UsageError, current_settings, new_app, report_errors, run_app
from tools.lake import catalog, currency_rates, master_data_files
from tools.replay import mapping as mappings

USERS, PRODUCTS = "landing.users", "landing.products"

app = new_app(__doc__)


# Two shops may append at the same time: the one whose commit fails reads the table again and repeats the whole append.
@catalog.retry_conflicts
def append(settings: Settings, table: str, states: pa.Table) -> int:
    """Append the states that the table does not hold yet; returns how many."""
    target = catalog.open_catalog(settings).load_table(table)
    key_columns = list(schema.tables()[table].keys)
    rows = _as_table_rows(states, target.schema().as_arrow())
    existing = target.scan(selected_fields=tuple(key_columns)).to_arrow().select(key_columns)
    new_rows = rows.filter(pa.array(_is_new(rows.select(key_columns), existing), pa.bool_()))
    if len(new_rows):
        target.append(new_rows)
    return len(new_rows)


def contradictions(settings: Settings, table: str, states: pa.Table) -> list[str]:
    """Returns the ids of states that the table holds with the same updated_at and other values."""
    target = catalog.open_catalog(settings).load_table(table)
    key_columns = list(schema.tables()[table].keys)
    rows = _as_table_rows(states, target.schema().as_arrow())
    existing = target.scan().to_arrow().select(rows.column_names)
    existing_by_key = dict(zip(_keys(existing.select(key_columns)), existing.to_pylist(), strict=True))
    rows_by_key = zip(_keys(rows.select(key_columns)), rows.to_pylist(), strict=True)
    return [str(row[key_columns[0]]) for key, row in rows_by_key if existing_by_key.get(key, row) != row]


def _as_table_rows(states: pa.Table, table_schema: pa.Schema) -> pa.Table:
    """Returns the states with all columns of the table and their types; a column that the states lack is null."""
    return pa.table({field.name: _as_column(states, field) for field in table_schema}, schema=table_schema)


def _as_column(states: pa.Table, field: pa.Field) -> pa.ChunkedArray | pa.Array:
    if field.name not in states.column_names:
        return pa.nulls(len(states), field.type)
    column = states[field.name]
    if pa.types.is_decimal(field.type) and not pa.types.is_null(column.type):
        # A cast from double to decimal(18,2) fails for floating-point noise, such as 19.990000000000002.
        column = pc.round(column, 2)
    return column.cast(field.type)


def _is_new(keys: pa.Table, existing_keys: pa.Table) -> list[bool]:
    """Returns for each key whether it occurs neither in `existing_keys` nor earlier in `keys`."""
    seen = set(_keys(existing_keys))
    flags = []
    for key in _keys(keys):
        flags.append(key not in seen)
        seen.add(key)
    return flags


def _keys(table: pa.Table) -> list[str]:
    """Returns the keys of a table of two columns, the id and updated_at, as `id@microseconds`."""
    ids, updated_at = table.columns
    return [f"{a}@{b}" for a, b in zip(ids.to_pylist(), updated_at.cast(pa.int64()).to_pylist(), strict=True)]


@app.command()
@report_errors()
def load(
    users: Annotated[Path | None, typer.Option(help="CSV, JSON lines or Parquet of users.", exists=True, dir_okay=False)] = None,
    products: Annotated[Path | None, typer.Option(help="CSV, JSON lines or Parquet of products.", exists=True, dir_okay=False)] = None,
    rates: Annotated[Path | None, typer.Option(help="CSV, JSON lines or Parquet of currency rates.", exists=True, dir_okay=False)] = None,
    mapping: Annotated[str, typer.Option(help="Mapping of the files' columns; without it they are named as in the tables.")] = "",
    replace_rates: Annotated[bool, typer.Option("--replace-rates", help="Let rates of the file replace those that the lake has.")] = False,
) -> None:
    """Load users, products and currency rates from files whose columns are named as those of the landing tables, or by a mapping."""
    paths = {table: path for table, path in ((USERS, users), (PRODUCTS, products), (currency_rates.TABLE, rates)) if path}
    if not paths:
        raise UsageError("nothing to load: give --users FILE, --products FILE or --rates FILE")
    # All files are read first: a file that cannot be read stops the command before anything is written.
    rules = mappings.load_any(mapping) if mapping else None
    rows_by_table = {table: master_data_files.read(path, table, rules) for table, path in paths.items()}
    if rates:
        currency_rates.check(rows_by_table[currency_rates.TABLE], rates)
    settings = current_settings()
    for table, rows in rows_by_table.items():
        if table == currency_rates.TABLE:
            typer.echo(f"{table}: {currency_rates.store(settings, rows, paths[table], replace=replace_rates)} of {len(rows)} rates are new")
            continue
        changed = contradictions(settings, table, rows)
        if changed:
            raise UsageError(
                f"{paths[table]}: {table} holds {changed[0]} and {len(changed) - 1} more with the same updated_at and other values;"
                " history is not rewritten: give the new values a later updated_at"
            )
        typer.echo(f"{table}: {append(settings, table, rows)} of {len(rows)} states are new")


if __name__ == "__main__":
    run_app(app)
