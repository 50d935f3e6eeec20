"""Reading a person's file: each line is sent or rejected with its number and reason, whatever the file holds and however it is damaged."""

import gzip
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tools.common.command import UsageError
from tools.replay import csv_rows, reading_options, sources, text_lines
from tools.replay.lines import DamagedFile, Line
from tools.replay.reading_options import ReadingOptions

HEADER = "at,kind,product,brand,price,user\n"


def row(number: int, brand: str = "acme") -> str:
    return f"2025-11-03 00:00:{number % 60:02},view,{1000 + number},{brand},{number}.50,u{number}\n"


def rows(count: int, **brands: str) -> str:
    """Returns a CSV file of `count` rows; `brands` has the brand of a row by its line number, e.g. `l7`."""
    return HEADER + "".join(row(number, brands.get(f"l{number + 1}", "acme")) for number in range(1, count + 1))


def read(path: Path, content: str | bytes, options: ReadingOptions = reading_options.DEFAULTS) -> tuple[list[Line], str]:
    """Returns the lines of a file and its damage, "" if it has none."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    lines = []
    try:
        for line in sources.read(path, options):
            lines.append(line)
    except DamagedFile as damage:
        return lines, str(damage)
    return lines, ""


def rejected(lines: list[Line]) -> list[tuple[int, str]]:
    return [(line.number, line.error.split(":")[0]) for line in lines if line.values is None]


# CSV: quotes


def test_one_stray_quote_costs_only_its_own_line(tmp_path: Path) -> None:
    lines, _ = read(tmp_path / "f.csv", rows(5000, l102='"12 inch works'))
    assert rejected(lines) == [(102, "stray quote")]
    assert len(lines) == 5000


@pytest.mark.parametrize(
    ("first", "second"),
    [
        # The second one looks like the end of the value that the first one opens, in the same column or in another one.
        ('"12 inch', '12"'),
        ('"12 inch', '"12 inch'),
        ('"12 inch', 'a "b" c'),
        ('"12 inch', '"a, b"'),
    ],
)
@pytest.mark.parametrize("distance", [1, 2, 40, 3000])
def test_the_lines_between_two_stray_quotes_are_sent(tmp_path: Path, first: str, second: str, distance: int) -> None:
    lines, _ = read(tmp_path / "f.csv", rows(4000, **{"l20": first, f"l{20 + distance}": second}))
    numbers = [number for number, _ in rejected(lines)]
    assert 20 in numbers
    assert set(numbers) <= {20, 20 + distance}
    assert len(lines) == 4000


def test_a_stray_quote_in_the_first_line_of_data_costs_only_this_line(tmp_path: Path) -> None:
    lines, _ = read(tmp_path / "f.csv", rows(50, l2='"12 inch', l30='12"'))
    assert rejected(lines) == [(2, "stray quote")]
    assert len(lines) == 50


def test_line_breaks_in_quotes_are_part_of_the_value(tmp_path: Path) -> None:
    text = 'one "" two\r\n\r\nthree, four, five\n"" six'
    lines, _ = read(tmp_path / "f.csv", rows(9, l5=f'"{text}"'))
    assert rejected(lines) == []
    assert lines[3].values is not None
    assert lines[3].values["brand"] == text.replace('""', '"')
    assert [line.number for line in lines] == [2, 3, 4, 5, 9, 10, 11, 12, 13]


def test_a_quote_inside_of_a_value_is_a_character(tmp_path: Path) -> None:
    lines, _ = read(tmp_path / "f.csv", rows(3, l3='12" pipe'))
    assert [line.values["brand"] for line in lines if line.values] == ["acme", '12" pipe', "acme"]


def test_a_quoted_value_without_an_end_is_not_read_for_ever(tmp_path: Path) -> None:
    lines, _ = read(tmp_path / "f.csv", rows(csv_rows.MAX_ROW_LINES * 3, l2='"open'))
    assert rejected(lines) == [(2, "stray quote")]
    assert len(lines) == csv_rows.MAX_ROW_LINES * 3


def test_quotes_are_characters_if_the_mapping_says_so(tmp_path: Path) -> None:
    lines, _ = read(tmp_path / "f.csv", rows(3, l3='"12 inch'), ReadingOptions(quotes=False))
    assert lines[1].values is not None
    assert lines[1].values["brand"] == '"12 inch'


# CSV: other kinds


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_that_of_the_first_line(tmp_path: Path, delimiter: str) -> None:
    lines, _ = read(tmp_path / "f.csv", rows(2).replace(",", delimiter))
    assert [line.values["price"] for line in lines if line.values] == ["1.50", "2.50"]


def test_excel_names_the_delimiter_in_its_first_line(tmp_path: Path) -> None:
    lines, _ = read(tmp_path / "f.csv", "sep=;\r\nat;price;a,b,c\r\n2025;1,50;x\r\n")
    assert [(line.number, line.values) for line in lines] == [(3, {"at": "2025", "price": "1,50", "a,b,c": "x"})]


def test_a_file_without_a_header_has_the_columns_of_the_mapping(tmp_path: Path) -> None:
    lines, _ = read(tmp_path / "f.tsv", '1\tx\n2\t{"a": 1}\n', ReadingOptions(columns=("id", "json"), quotes=False))
    assert [line.values for line in lines] == [{"id": "1", "json": "x"}, {"id": "2", "json": '{"a": 1}'}]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_end_as_on_any_system(tmp_path: Path, newline: str) -> None:
    lines, _ = read(tmp_path / "f.csv", rows(3).replace("\n", newline))
    assert [line.values["user"] for line in lines if line.values] == ["u1", "u2", "u3"]


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("id,price,price\n1,2,3\n")
    with pytest.raises(UsageError, match="two columns have the name 'price': rename one"):
        sources.columns(tmp_path / "f.csv")


def test_texts_that_look_like_nothing_stay_texts(tmp_path: Path) -> None:
    lines, _ = read(tmp_path / "f.csv", "country,brand,name,id\nNA,N/A,NULL,None\nnan,null,,#N/A\n")
    assert [line.values for line in lines] == [
        {"country": "NA", "brand": "N/A", "name": "NULL", "id": "None"},
        {"country": "nan", "brand": "null", "name": "", "id": "#N/A"},
    ]


def test_a_line_that_is_too_long_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_lines, "MAX_LINE", 1000)
    lines, _ = read(tmp_path / "f.csv", rows(5, l4="x" * 1_000_000))
    assert rejected(lines) == [(4, "longer than 1000 characters")]
    assert len(lines) == 5
    assert len(lines[2].text) == text_lines.SHOWN_OF_LONG_LINE


# Encodings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["f.csv", "f.csv.gz", "f.jsonl"])
def test_a_byte_order_mark_names_the_encoding(tmp_path: Path, name: str, encoding: str) -> None:
    text = '{"größe": "ø🦊"}\n' * 3 if name.endswith("jsonl") else "größe,b\nø🦊,x\n"
    content = text.encode(encoding)
    lines, _ = read(tmp_path / name, gzip.compress(content) if name.endswith(".gz") else content)
    assert rejected(lines) == []
    assert lines[0].values is not None
    assert lines[0].values["größe"] == "ø🦊"
    assert sources.columns(tmp_path / name) >= {"größe"}


@pytest.mark.parametrize("encoding", ["cp1252", "iso-8859-15", "shift_jis", "utf-16-le", "utf-16-be", "utf-16", "cp437", "gb18030"])
def test_the_mapping_names_the_encoding(tmp_path: Path, encoding: str) -> None:
    text = "naïve,b\nA,ü\n" if encoding not in ("shift_jis", "gb18030") else "表,b\nA,ソ\n"
    lines, _ = read(tmp_path / "f.csv", text.encode(encoding), ReadingOptions(encoding=encoding))
    assert [line.values for line in lines] == [dict(zip(*(row.split(",") for row in text.split()), strict=True))]


def test_a_line_in_another_encoding_is_rejected_with_the_name_of_the_encoding_and_the_fix(tmp_path: Path) -> None:
    content = rows(3).encode() + row(4, "Müller").encode("cp1252") + row(5, "Müller").encode()
    lines, _ = read(tmp_path / "f.csv", content)
    assert [(line.number, line.error) for line in lines if line.error] == [
        (5, "not UTF-8: name the right one in the mapping, for example `encoding: cp1252`")
    ]
    assert b"M\xfcller" in lines[3].text.encode(errors="surrogateescape")
    assert len(lines) == 5


def test_half_a_character_in_utf_16_costs_only_its_line(tmp_path: Path) -> None:
    content = "a,b\n1,2\n".encode("utf-16") + b"\x00\xd8x\x00,\x001\x00\n\x00" + "3,4\n".encode("utf-16-le")
    lines, _ = read(tmp_path / "f.csv", content)
    assert rejected(lines) == [(3, "not UTF-16-LE")]
    assert [line.values for line in lines if line.values] == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("größe,b\n1,2\n".encode("cp1252"), "line 1, which has the names of the columns: not UTF-8: .*`encoding: cp1252`"),
        ("a,b\n1,2\n".encode("utf-16-le"), "seems to be utf-16-le without a byte order mark: write `encoding: utf-16-le`"),
        ("a,b\n1,2\n".encode("utf-16-be"), "seems to be utf-16-be"),
    ],
)
def test_an_encoding_that_is_not_clear_is_one_error_with_its_name(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "f.csv").write_bytes(content)
    with pytest.raises(UsageError, match=message):
        sources.columns(tmp_path / "f.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"encoding": "klingon"}, "encoding: unknown encoding 'klingon': use a name like"),
        ({"encoding": "zlib"}, "unknown encoding 'zlib'"),
        ({"encoding": 8}, "unknown encoding 8"),
        ({"delimiter": "::"}, "delimiter: '::' is no delimiter"),
        ({"columns": ["a", 1]}, "columns: .* is no list of names"),
        ({"quotes": "no"}, "quotes: 'no'"),
    ],
)
def test_the_error_for_a_wrong_option_names_the_key_and_value(content: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        reading_options.parse(content, "own.yaml")


# Damaged files


@pytest.mark.parametrize("name", ["f.csv.gz", "f.jsonl.gz"])
def test_of_a_truncated_gzip_file_all_readable_lines_are_read_and_the_rest_is_named(tmp_path: Path, name: str) -> None:
    text = rows(20_000) if "csv" in name else "".join(f'{{"n": {n}}}\n' for n in range(20_000))
    content = gzip.compress(text.encode())
    lines, damage = read(tmp_path / name, content[: len(content) * 2 // 3])
    assert damage.endswith("damaged gzip: the file ends before its content does")
    assert 10_000 < len(lines) < 19_000
    # The last line is cut somewhere: it may look whole.
    assert rejected(lines) == [(lines[-1].number, "cut off")]
    assert all(line.text + "\n" in text for line in lines[:-1][-50:])


def test_of_a_corrupt_gzip_file_the_lines_before_the_damage_are_read(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(rows(20_000).encode()))
    content[len(content) // 2 : len(content) // 2 + 50] = bytes(50)
    lines, damage = read(tmp_path / "f.csv.gz", bytes(content))
    assert "damaged gzip" in damage
    assert len(lines) > 5_000
    assert [line.number for line in lines] == list(range(2, len(lines) + 2))


@pytest.mark.parametrize(
    ("tail", "damage"),
    [(gzip.compress(row(3).encode()), ""), (bytes(512), ""), (b"garbage", "damaged gzip")],
)
def test_what_follows_the_first_member_of_a_gzip_file(tmp_path: Path, tail: bytes, damage: str) -> None:
    lines, message = read(tmp_path / "f.csv.gz", gzip.compress(rows(2).encode()) + tail)
    assert len(lines) == (3 if tail.startswith(b"\x1f\x8b") else 2)
    assert damage in message
    assert bool(damage) == bool(message)


def test_a_gzip_file_may_have_the_suffix_of_a_plain_one(tmp_path: Path) -> None:
    lines, damage = read(tmp_path / "f.csv", gzip.compress(rows(2).encode()))
    assert (len(lines), damage) == (2, "")


def test_the_row_groups_of_a_parquet_file_that_are_not_damaged_are_read(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    pq.write_table(pa.table({"n": range(30_000), "t": [f"text {n * n}" for n in range(30_000)]}), path, row_group_size=10_000)
    second = pq.ParquetFile(path).metadata.row_group(1).column(1)
    content = bytearray(path.read_bytes())
    content[second.data_page_offset : second.data_page_offset + 200] = bytes(200)
    lines, damage = read(path, bytes(content))
    assert "rows 10001 to 20000 cannot be read" in damage
    assert [line.number for line in lines] == [*range(1, 10_001), *range(20_001, 30_001)]


# JSON


def test_numbers_of_any_size_are_exact(tmp_path: Path) -> None:
    numbers = ["18446744073709551615", "18446744073709551616", "12345678901234567890123", "-9223372036854775809", "12345678901234567.0"]
    lines, _ = read(tmp_path / "f.jsonl", "".join(f'{{"id": {number}}}\n' for number in numbers))
    assert [line.values and line.values["id"] for line in lines] == [
        18446744073709551615, 18446744073709551616, 12345678901234567890123, -9223372036854775809, Decimal("12345678901234567.0"),
    ]  # fmt: skip


def test_nan_is_rejected_only_where_it_is_read(tmp_path: Path) -> None:
    lines, _ = read(tmp_path / "f.jsonl", '{"id": 1, "discount": NaN, "more": [-Infinity]}\n')
    assert lines[0].values is not None
    assert lines[0].values["id"] == 1


@pytest.mark.parametrize(
    "text", ['{"a": 01}', "{'a': 1}", '{"a": 1}}', "nonsense", '{"a": "\ud800"', "[" * 100_000, f'{{"a": {"9" * 5000}}}', '{"a": "x\ty"}']
)
def test_a_line_that_is_no_json_is_rejected_and_the_others_are_read(tmp_path: Path, text: str) -> None:
    content = '{"n": 1}\n' + text + '\n{"n": 2}\n'
    lines, _ = read(tmp_path / "f.jsonl", content.encode(errors="surrogatepass"))
    assert len(lines) == 3
    assert lines[1].number == 2
    assert lines[1].error.startswith("not ")
    assert [line.values for line in lines if line.values] == [{"n": 1}, {"n": 2}]


OBJECTS = [{"n": 1, "items": [{"id": "a"}, {"id": "b"}]}, {"n": 2, "text": 'a "quoted", [{ text'}, {"n": 3}]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(OBJECTS),
        json.dumps(OBJECTS, indent=2),
        json.dumps(OBJECTS, indent=None, separators=(",\n", ": ")),
        "[\n" + ",\n".join(map(json.dumps, OBJECTS)) + "\n]\n",
        "\n".join(json.dumps(value, indent=4) for value in OBJECTS),
    ],
)
def test_arrays_and_objects_over_several_lines_are_read_object_by_object(tmp_path: Path, text: str) -> None:
    lines, _ = read(tmp_path / "f.json", text)
    assert [line.values for line in lines] == OBJECTS


def test_a_broken_object_of_an_array_does_not_swallow_the_others(tmp_path: Path) -> None:
    broken = [json.dumps(value, indent=2) for value in OBJECTS]
    broken[1] = '{\n  "n": "12" pipe {",\n  "m": [1\n}'
    lines, _ = read(tmp_path / "f.json", "[\n" + ",\n".join(broken) + "\n]")
    assert [line.values for line in lines] == [OBJECTS[0], None, OBJECTS[2]]
    lines, _ = read(tmp_path / "g.json", '[\n{"n": 1},\n{"n": "a" b"},\n{"n": 3},\n{"n": 4')
    assert [line.values for line in lines] == [{"n": 1}, None, {"n": 3}, None]


def test_a_key_may_first_appear_in_the_last_line(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text('{"a": 1}\n' * 5000 + '{"late": 1}\n')
    assert sources.columns(path) == {"a", "late"}
    assert sources.columns(path, is_enough=lambda keys: "a" in keys) == {"a"}


# Parquet

MOMENT = datetime(2025, 11, 3, 9, tzinfo=UTC)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_parquet_times_of_any_unit(tmp_path: Path, unit: str, zone: str | None) -> None:
    table = pa.table({"at": pa.array([int(MOMENT.timestamp())], pa.int64()).cast(pa.timestamp("s", zone)).cast(pa.timestamp(unit, zone))})
    pq.write_table(table, tmp_path / "f.parquet", version="2.6")
    [line] = sources.read(tmp_path / "f.parquet")
    assert line.values is not None
    assert line.values["at"].replace(tzinfo=line.values["at"].tzinfo or UTC) == MOMENT


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
