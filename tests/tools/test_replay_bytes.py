"""Reading files of any encoding, and damaged ones: what can be read is read, the rest is named."""

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.tools.replay_reading import read, rejected, row, rows
from tools.common.command import UsageError
from tools.replay import reading_options, sources
from tools.replay.reading_options import ReadingOptions


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


@pytest.mark.parametrize("name", ["f.csv", "F.CSV.GZ"])
def test_a_gzip_file_is_known_by_its_first_bytes(tmp_path: Path, name: str) -> None:
    lines, damage = read(tmp_path / name, gzip.compress(rows(2).encode()))
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
