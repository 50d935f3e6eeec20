"""Whatever bytes a file has, each of its lines is sent or rejected, and no error escapes. The files are random, with fixed seeds."""

import gzip
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from tools.common.command import UsageError
from tools.replay import sources
from tools.replay.__main__ import app
from tools.replay.lines import DamagedFile, Line

REES46 = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"
VIEW = {"timestamp": 1_762_160_400_000, "user_id": "u", "product_id": "p", "event_type": "view", "price": 1.5}
# What breaks parsers: quotes, line breaks, zeros, bytes that are no UTF-8, braces, numbers that are none.
TOKENS = [
    b'"', b'""', b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b",", b";", b"\t", b"\\", b"\\u0000", b"\\ud800",
    b"{", b"}", b"[", b"]", b"NaN", b"Infinity", b"1e999", b"-", b"9" * 30, b"1_0", b"12,50", b"null", b"true", b'{"a":', b"\xef\xbb\xbf",
    b"\xff\xfe", b" ",
]  # fmt: skip


def csv_bytes(rng: random.Random) -> bytes:
    lines = [REES46] + [f"2025-11-03 00:00:{n:02} UTC,view,{n},77,home.{n},acme,{n}.5,u{n},s{n}" for n in range(rng.randrange(30))]
    return "\n".join(lines).encode()


def json_bytes(rng: random.Random) -> bytes:
    return "\n".join(json.dumps(VIEW | {"user_id": f"u{n}"}) for n in range(rng.randrange(1, 30))).encode()


def array_bytes(rng: random.Random) -> bytes:
    return json.dumps([VIEW | {"user_id": f"u{n}"} for n in range(rng.randrange(1, 20))], indent=rng.choice([None, 1])).encode()


def parquet_bytes(rng: random.Random) -> bytes:
    sink = pa.BufferOutputStream()
    rows = [VIEW | {"user_id": f"u{n}"} for n in range(rng.randrange(1, 50))]
    pq.write_table(pa.Table.from_pylist(rows), sink, row_group_size=10, compression=rng.choice(["none", "snappy"]))
    return bytes(sink.getvalue())


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Returns the content with some bytes replaced, inserted or cut off."""
    changed = bytearray(content)
    for _ in range(rng.choice([0, 1, 1, 2, 5, 40])):
        position = rng.randrange(len(changed) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            changed[position:position] = rng.choice(TOKENS)
        elif kind == 1:
            changed[position : position + rng.randrange(1, 20)] = rng.choice(TOKENS)
        elif kind == 2:
            changed[position : position + 4] = rng.randbytes(4)
        elif rng.random() < 0.2:
            del changed[position:]
    return bytes(changed)


FILES = {
    "f.csv": (csv_bytes, "rees46"),
    "f.jsonl": (json_bytes, "jsonlog"),
    "f.json": (array_bytes, "jsonlog"),
    "f.parquet": (parquet_bytes, "jsonlog"),
    "f.csv.gz": (csv_bytes, "rees46"),
    "f.jsonl.gz": (json_bytes, "jsonlog"),
    "random.csv": (lambda rng: rng.randbytes(500), "rees46"),
    "random.jsonl": (lambda rng: rng.randbytes(500), "jsonlog"),
    "random.parquet": (lambda rng: rng.randbytes(500), "jsonlog"),
}


def content(name: str, seed: int) -> bytes:
    rng = random.Random(f"{name} {seed}")
    make, _ = FILES[name]
    text = mutated(make(rng), rng)
    if not name.endswith(".gz"):
        return text
    # The text is damaged, or its compressed form behind the header.
    compressed = gzip.compress(text)
    return compressed[:20] + mutated(compressed[20:], rng) if rng.random() < 0.5 else compressed


@pytest.mark.parametrize("name", FILES)
def test_the_account_of_any_file_adds_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("CLICKSTREAM_STACK_DIR", str(tmp_path / "stack"))
    path, accounts = tmp_path / name, 0
    for seed in range(30):
        path.write_bytes(content(name, seed))
        result = CliRunner().invoke(app, ["--file", str(path), "--mapping", FILES[name][1], "--dry-run", "--json"])
        assert isinstance(result.exception, SystemExit | None), f"seed {seed}: {result.exception!r}"
        if result.exit_code == 2:
            assert result.stderr.startswith("error: "), f"seed {seed}"
            continue
        account = json.loads(result.stdout)
        accounts += 1
        assert account["lines"] == account["sent"] + account["rejected"], f"seed {seed}"
        assert account["rejected"] == sum(account["reasons"].values())
        assert (result.exit_code == 1) == (bool(account["not_read"]) or not account["sent"]), f"seed {seed}"
    assert accounts >= (0 if "random" in name else 10)


def lines_of(path: Path) -> list[Line] | None:
    """Returns the readable lines, None if the file cannot be read at all."""
    lines = []
    try:
        for line in sources.read(path):
            lines.append(line)
    except DamagedFile:
        pass
    except UsageError:
        return None
    return lines


@pytest.mark.parametrize("name", ["f.csv", "f.jsonl"])
def test_every_line_of_any_text_file_is_read_exactly_once(tmp_path: Path, name: str) -> None:
    path, files = tmp_path / name, 0
    for seed in range(1500):
        data = content(name, seed)
        # With these the lines of the file are not those between line feeds in UTF-8.
        if data.startswith((b"\xff\xfe", b"\xef\xbb\xbf", b"[", b"\x1f\x8b")) or data.strip().startswith((b"[", b"{\n")) or b"\r" in data:
            continue
        path.write_bytes(data)
        lines = lines_of(path)
        if lines is None:
            continue
        files += 1
        physical = [line for line in data.decode(errors="surrogateescape").split("\n") if line.strip(" \t\v\f\x1c\x1d\x1e\x1f\x85\xa0")]
        header = 1 if name == "f.csv" else 0
        read = [part for line in lines for part in line.text.split("\n") if part.strip(" \t\v\f\x1c\x1d\x1e\x1f\x85\xa0")]
        assert [line.strip() for line in read] == [line.strip() for line in physical[header:]], f"seed {seed}"
    assert files > 800
