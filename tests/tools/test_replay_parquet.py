"""Reading Parquet: times of any unit, texts stored as bytes, nested values, and values that cannot be read."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tools.replay import sources

MOMENT = datetime(2025, 11, 3, 9, tzinfo=UTC)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_parquet_times_of_any_unit(tmp_path: Path, unit: str, zone: str | None) -> None:
    table = pa.table({"at": pa.array([int(MOMENT.timestamp())], pa.int64()).cast(pa.timestamp("s", zone)).cast(pa.timestamp(unit, zone))})
    pq.write_table(table, tmp_path / "f.parquet", version="2.6")
    [line] = sources.read(tmp_path / "f.parquet")
    assert line.values is not None
    assert line.values["at"].replace(tzinfo=line.values["at"].tzinfo or UTC) == MOMENT


def test_parquet_times_of_spark_before_version_3(tmp_path: Path) -> None:
    pq.write_table(pa.table({"at": [MOMENT.replace(tzinfo=None)]}), tmp_path / "f.parquet", use_deprecated_int96_timestamps=True)
    [line] = sources.read(tmp_path / "f.parquet")
    assert line.values == {"at": MOMENT.replace(tzinfo=None)}


def test_parquet_values_of_any_type_are_plain_values(tmp_path: Path) -> None:
    nanoseconds = pa.array([int(MOMENT.timestamp()) * 10**9 + 1], pa.int64()).cast(pa.timestamp("ns"))
    table = pa.table(
        {
            "ns": nanoseconds,
            "date": pa.array([date(2025, 11, 3)], pa.date32()),
            "binary": pa.array([b"u-1"], pa.binary()),
            "fixed": pa.array([b"abc"], pa.binary(3)),
            "decimal": pa.array([Decimal("12.50")], pa.decimal128(18, 2)),
            "dictionary": pa.array(["view"]).dictionary_encode(),
            "struct": pa.StructArray.from_arrays([nanoseconds, pa.array([b"x"])], ["t", "b"]),
            "list": pa.array([[{"key": "k", "value": b"v"}]]),
            "map": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
            "large": pa.array([2**64 - 1], pa.uint64()),
            "a.b": [1.5],
        }
    )
    pq.write_table(table, tmp_path / "f.parquet")
    [line] = sources.read(tmp_path / "f.parquet")
    moment = MOMENT.replace(tzinfo=None)
    assert line.values == {
        "ns": moment,
        "date": date(2025, 11, 3),
        "binary": "u-1",
        "fixed": "abc",
        "decimal": Decimal("12.50"),
        "dictionary": "view",
        "struct": {"t": moment, "b": "x"},
        "list": [{"key": "k", "value": "v"}],
        "map": {"k": 1},
        "large": 2**64 - 1,
        "a.b": 1.5,
    }


def test_parquet_values_that_cannot_be_read_spoil_only_their_row(tmp_path: Path) -> None:
    table = pa.table(
        {
            "text": pa.array([b"good", b"\xff", b"good"], pa.binary()).view(pa.string()),
            "at": pa.array([0, 0, 10**18], pa.int64()).cast(pa.timestamp("us")),
        }
    )
    pq.write_table(table, tmp_path / "f.parquet")
    lines = list(sources.read(tmp_path / "f.parquet"))
    assert [type(line.values["text"]).__name__ for line in lines if line.values] == ["str", "Unreadable", "str"]
    assert [type(line.values["at"]).__name__ for line in lines if line.values] == ["datetime", "datetime", "Unreadable"]
