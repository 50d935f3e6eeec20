"""Reading CSV: a stray quote costs only its own line, whatever the file's delimiter, line ends and columns."""

from pathlib import Path

import pytest

from tests.tools.replay_reading import read, rejected, rows
from tools.common.command import UsageError
from tools.replay import csv_rows, sources, text_lines
from tools.replay.reading_options import ReadingOptions


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


def test_a_stray_quote_in_the_header_is_one_short_error(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text(rows(400, l300='12"').replace("brand", '"brand'))
    with pytest.raises(UsageError, match="correct line 1, perhaps a quote is stray") as error:
        sources.columns(tmp_path / "f.csv")
    assert len(str(error.value)) < 1000


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
