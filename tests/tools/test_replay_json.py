"""Reading JSON: lines, arrays and objects over several lines; exact numbers; broken objects do not swallow others."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.tools.replay_reading import read
from tools.replay import sources


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
