"""Currency rates from files: an unusable file is refused with its line; a lake has one reporting currency and one rate a day."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from pyiceberg.schema import Schema
from typer.testing import CliRunner

from clickstream_contracts import render, schema
from clickstream_contracts.settings import Settings
from tools.common.command import UsageError
from tools.lake import catalog, currency_rates, master_data_files
from tools.lake.master_data import app
from tools.replay import mapping as mappings

SAMPLE = Path(__file__).parent / "samples" / "currency-rates.csv"
HEADER = "reporting_currency,currency,day,rate\n"


def read(folder: Path, lines: str, name: str = "rates.csv") -> pa.Table:
    (folder / name).write_text(HEADER + lines)
    rates = master_data_files.read(folder / name, currency_rates.TABLE)
    currency_rates.check(rates, folder / name)
    return rates


def test_the_sample_has_rates_of_the_tables_types() -> None:
    rates = master_data_files.read(SAMPLE, currency_rates.TABLE)
    currency_rates.check(rates, SAMPLE)
    assert rates.schema.field("day").type == pa.date32()
    assert rates.schema.field("rate").type == pa.decimal128(18, 8)
    assert rates.to_pylist()[-1] == {
        "reporting_currency": "EUR", "currency": "KWD", "day": date(2026, 1, 2), "rate": Decimal("2.77123450"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("EUR,EURO,2026-01-02,1", "line 3: column currency: not a code of ISO 4217: 'EURO'"),
        ("Euro,USD,2026-01-02,1", "line 3: column reporting_currency: not a code of ISO 4217: 'Euro'"),
        ("EUR,USD,yesterday,1", "line 3: column day: not a day: 'yesterday'"),
        ("EUR,USD,2026-01-02T10:00:00Z,1", "line 3: column day: not a day: .*a day has no time of day"),
        ("EUR,USD,,1", "line 3: day is empty: each row needs it"),
        ("EUR,USD,2026-01-02,", "line 3: rate is empty: each row needs it"),
        ("EUR,USD,2026-01-02,0", "line 3: column rate: less than 0.00000001: 0"),
        ("EUR,USD,2026-01-02,-0.85", "line 3: column rate: less than 0.00000001: -0.85"),
        ("EUR,USD,2026-01-02,0.000000001", "line 3: column rate: less than 0.00000001: "),
        ('EUR,USD,2026-01-02,"0,85"', "line 3: column rate: not a number: '0,85': write it with a decimal point"),
        ("EUR,USD,2026-01-02,1e12", "line 3: column rate: out of range"),
        ("EUR,GBP,2026-01-02,1.2", "line 3: reporting_currency 'EUR', currency 'GBP', day .* a second time with other values"),
        ("USD,GBP,2026-01-03,1.2", "rates in EUR and in USD: a lake has one reporting currency"),
        ("EUR,EUR,2026-01-02,1.1", "EUR, 2026-01-02: one EUR is 1.10000000 EUR: correct the rate or the currency"),
    ],
)
def test_the_error_names_the_line_the_value_and_the_fix(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(tmp_path, f"EUR,GBP,2026-01-02,1.15\n{line}\n")


def test_a_file_without_a_column_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("reporting_currency,currency,day\nEUR,USD,2026-01-02\n")
    with pytest.raises(UsageError, match="no column 'rate', which each row needs"):
        master_data_files.read(tmp_path / "f.csv", currency_rates.TABLE)


def test_a_mapping_reads_a_file_of_other_columns(tmp_path: Path) -> None:
    """A date has no time zone, whatever the mapping says of times."""
    (tmp_path / "bank.yaml").write_text(
        yaml.safe_dump(
            {
                "delimiter": ";",
                "zone": "Europe/Berlin",
                "currency_rates": {
                    "reporting_currency": {"constant": "EUR"},
                    "currency": "Waehrung",
                    "day": {"from": "Datum", "time": "%d.%m.%Y"},
                    "rate": "Kurs",
                },
            }
        )
    )
    (tmp_path / "bank.csv").write_text("Datum;Waehrung;Kurs\n31.01.2026;usd;0.85\n")
    rules = mappings.load_any(str(tmp_path / "bank.yaml"))
    [rate] = master_data_files.read(tmp_path / "bank.csv", currency_rates.TABLE, rules).to_pylist()
    assert rate == {"reporting_currency": "EUR", "currency": "USD", "day": date(2026, 1, 31), "rate": Decimal("0.85")}


def test_a_mapping_without_a_needed_column_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bank.yaml").write_text("currency_rates: {currency: c, day: d, rate: r}")
    (tmp_path / "bank.csv").write_text("c,d,r\nUSD,2026-01-31,0.85\n")
    with pytest.raises(UsageError, match="mapping bank: currency_rates: reporting_currency is missing: add it"):
        master_data_files.read(tmp_path / "bank.csv", currency_rates.TABLE, mappings.load_any(str(tmp_path / "bank.yaml")))


class MemoryTable:
    """The part of a PyIceberg table that the module uses; a commit is a list item."""

    def __init__(self) -> None:
        contract = schema.tables()[currency_rates.TABLE]
        self.iceberg_schema = Schema.model_validate(render.iceberg_schema(contract))
        self.rows = self.iceberg_schema.as_arrow().empty_table()
        self.commits: list[str] = []

    def schema(self) -> Any:
        return self.iceberg_schema

    def load_table(self, name: str) -> "MemoryTable":
        assert name == currency_rates.TABLE
        return self

    def scan(self) -> "MemoryTable":
        return self

    def to_arrow(self) -> pa.Table:
        return self.rows

    def append(self, rows: pa.Table) -> None:
        self.rows = pa.concat_tables([self.rows, rows])
        self.commits.append("append")

    def overwrite(self, rows: pa.Table) -> None:
        self.rows = rows
        self.commits.append("overwrite")


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> MemoryTable:
    table = MemoryTable()
    monkeypatch.setattr(catalog, "open_catalog", lambda settings: table)
    return table


@pytest.fixture
def store(table: MemoryTable, tmp_path: Path) -> Callable[..., int]:
    """Returns a function that stores lines of a file, and returns how many rates are new."""
    return lambda lines, **options: currency_rates.store(Settings(), read(tmp_path, lines), tmp_path / "rates.csv", **options)


def rates_of(table: MemoryTable) -> dict[str, str]:
    return {f"{row['currency']} {row['day']:%d}": f"{row['rate'].normalize():f}" for row in table.rows.to_pylist()}


def test_a_second_load_adds_nothing_and_a_longer_file_only_what_is_new(table: MemoryTable, store: Callable[..., int]) -> None:
    assert store("EUR,USD,2026-01-02,0.85\n") == 1
    assert store("EUR,USD,2026-01-02,0.85\n") == 0
    assert store("EUR,USD,2026-01-02,0.850\nEUR,USD,2026-01-03,0.86\n") == 1
    assert rates_of(table) == {"USD 02": "0.85", "USD 03": "0.86"}
    assert table.commits == ["append", "append"]


def test_another_rate_of_a_day_is_refused_unless_it_is_to_replace_the_first(table: MemoryTable, store: Callable[..., int]) -> None:
    store("EUR,USD,2026-01-02,0.85\nEUR,GBP,2026-01-02,1.15\n")
    with pytest.raises(UsageError, match=r"another rate of USD on 2026-01-02: 0.85000000 instead of 0.86000000, and 0 more: .*--replace"):
        store("EUR,USD,2026-01-02,0.86\n")
    assert store("EUR,USD,2026-01-02,0.86\n", replace=True) == 1
    assert rates_of(table) == {"USD 02": "0.86", "GBP 02": "1.15"}


def test_another_reporting_currency_is_refused_unless_it_is_to_replace_all_rates(table: MemoryTable, store: Callable[..., int]) -> None:
    store("EUR,USD,2026-01-02,0.85\n")
    with pytest.raises(UsageError, match=r"rates in CHF, but landing.currency_rates has rates in EUR: .*--replace-rates"):
        store("CHF,USD,2026-01-02,0.91\n")
    assert rates_of(table) == {"USD 02": "0.85"}
    assert store("CHF,GBP,2026-01-02,1.08\n", replace=True) == 1
    assert (rates_of(table), set(table.rows["reporting_currency"].to_pylist())) == ({"GBP 02": "1.08"}, {"CHF"})


def test_an_unusable_file_of_rates_stops_the_command_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("user_id\nu1\n")
    (tmp_path / "rates.csv").write_text(f"{HEADER}EUR,EUR,2026-01-02,2\n")
    done = CliRunner().invoke(app, ["--users", str(tmp_path / "users.csv"), "--rates", str(tmp_path / "rates.csv")])
    assert done.exit_code == 2
    assert "one EUR is 2.00000000 EUR" in done.stderr
    assert len(done.stderr.splitlines()) == 1
