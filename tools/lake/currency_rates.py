"""Currency rates: what one unit of each currency is worth in the lake's reporting currency, by day (landing.currency_rates)."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final

import pyarrow as pa

from clickstream_contracts.settings import Settings
from tools.common.command import UsageError
from tools.lake import catalog

TABLE: Final = "landing.currency_rates"

Key = tuple[str, date]
Rates = dict[Key, Decimal]


def check(rates: pa.Table, path: Path) -> None:
    """Raises UsageError if a file has rates in several reporting currencies, or a rate of one in itself that is not 1."""
    reporting = sorted(set(rates["reporting_currency"].to_pylist()))
    if len(reporting) > 1:
        raise UsageError(f"{path}: rates in {reporting[0]} and in {reporting[1]}: a lake has one reporting currency, keep its lines only")
    for (currency, day), rate in _by_key(rates).items():
        if currency == reporting[0] and rate != 1:
            raise UsageError(f"{path}: {currency}, {day}: one {currency} is {rate:f} {currency}: correct the rate or the currency")


# The nightly run reads one commit of the table, so it sees all rates of a file or none.
@catalog.retry_conflicts
def store(settings: Settings, rates: pa.Table, path: Path, *, replace: bool = False) -> int:
    """Store the rates of a file; returns how many of them the table did not hold.

    replace: the file's rates replace those of the table. If they are in another reporting currency, the table keeps no others.
    Raises UsageError, without `replace`, if the table has another reporting currency, or other rates of the same days.
    """
    target = catalog.open_catalog(settings).load_table(TABLE)
    existing = target.scan().to_arrow()
    old, new = _by_key(existing), _by_key(rates)
    [reporting] = set(rates["reporting_currency"].to_pylist())
    old_reporting = set(existing["reporting_currency"].to_pylist()) - {reporting}
    if not replace:
        _check_unchanged(old, new, reporting, old_reporting, path)
    stored = {} if old_reporting else old
    added = {key: rate for key, rate in new.items() if stored.get(key) != rate}
    table_schema = target.schema().as_arrow()
    if old_reporting or any(key in stored for key in added):
        target.overwrite(_table(reporting, stored | added, table_schema))
    elif added:
        target.append(_table(reporting, added, table_schema))
    return len(added)


def _check_unchanged(old: Rates, new: Rates, reporting: str, old_reporting: set[str], path: Path) -> None:
    """Raises UsageError if storing the new rates would change what the table says."""
    for other in old_reporting:
        raise UsageError(
            f"{path}: rates in {reporting}, but {TABLE} has rates in {other}: a lake has one reporting currency, so give rates in {other},"
            " or replace all rates with --replace-rates"
        )
    changed = sorted(key for key, rate in new.items() if old.get(key, rate) != rate)
    if changed:
        currency, day = changed[0]
        raise UsageError(
            f"{path}: {TABLE} holds another rate of {currency} on {day}: {old[changed[0]]:f} instead of {new[changed[0]]:f}, and"
            f" {len(changed) - 1} more: remove these lines, or replace the lake's rates with --replace-rates"
        )


def _by_key(rates: pa.Table) -> Rates:
    columns = (rates[name].to_pylist() for name in ("currency", "day", "rate"))
    return {(currency, day): rate for currency, day, rate in zip(*columns, strict=True)}


def _table(reporting: str, rates: Rates, table_schema: pa.Schema) -> pa.Table:
    rows = [
        {"reporting_currency": reporting, "currency": currency, "day": day, "rate": rate} for (currency, day), rate in sorted(rates.items())
    ]
    return pa.Table.from_pylist(rows, table_schema)
