"""The benchmark on small files: all methods and their results, and a one-line message for each wrong input."""

import gzip
import json
from pathlib import Path

import pytest

from ray_apps.jobs import benchmark
from tests.ray_apps import shop

ROOT = Path(__file__).parents[2]
METHODS = {"popularity", "covisitation", "vsknn", "vstan", "two_stage"}
GOOD_SESSIONS, GOOD_TEST = "1 2 3\n2 3\n", "1 2\t3\n"


def write(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def command(sessions: Path, test: Path, out: Path) -> list[str]:
    return ["--sessions", str(sessions), "--test", str(test), "--out", str(out)]


@pytest.mark.parametrize("suffix", ["txt", "txt.gz"])
def test_each_method_is_measured_and_written(tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    lists = [[1000 + item for item in visit] for visit in shop.visits(900, items=240)]
    sessions = write(tmp_path / f"s.{suffix}", "".join(" ".join(map(str, visit)) + "\n" for visit in lists[:800]))
    lines = [" ".join(map(str, visit[:-1])) + f"\t{visit[-1]}\n" for visit in lists[800:]]
    test = write(tmp_path / f"t.{suffix}", "".join(lines) + "77777 88888\t1001\n1001\t99999\n")
    out = tmp_path / "new" / "result.json"
    assert benchmark.main(command(sessions, test, out)) == 0
    results = json.loads(out.read_text())
    assert set(results) == METHODS
    for method in METHODS:
        assert set(results[method]) == {"hr20", "mrr20", "train_s", "query_ms"}
        assert 0 < results[method]["mrr20"] <= results[method]["hr20"] < 100
    assert results["two_stage"]["hr20"] > results["popularity"]["hr20"]
    output = capsys.readouterr()
    assert "two_stage" in output.out
    assert "of 102 queries" in output.err


def test_the_committed_results_on_diginetica_reach_the_required_quality() -> None:
    """`bench/results/recommender.json` is the last result of the benchmark; a worse one must not be committed unnoticed."""
    results = json.loads((ROOT / "bench" / "results" / "recommender.json").read_text())
    best = results.pop("two_stage")
    assert best["hr20"] >= 53.0
    assert best["mrr20"] >= 19.5
    assert all(best[metric] > result[metric] for result in results.values() for metric in ("hr20", "mrr20"))


BAD = {
    "letters": ("1 2 3\n1 x 3\n", GOOD_TEST, "s.txt:2: '1 x 3' is not a session"),
    "blank line": ("1 2 3\n\n", GOOD_TEST, "s.txt:2: '' is not a session"),
    "commas": ("1,2,3\n", GOOD_TEST, "s.txt:1: '1,2,3' is not a session"),
    "huge": (f"{'9' * 30}\n", GOOD_TEST, "s.txt:1:"),
    "no session": ("", GOOD_TEST, "s.txt: contains no session"),
    "no query": (GOOD_SESSIONS, "", "t.txt: contains no query"),
    "no tab": (GOOD_SESSIONS, "1 2\t3\n1 2 3\n", "t.txt:2: '1 2 3' is not a query"),
    "no views": (GOOD_SESSIONS, "\t3\n", "t.txt:1:"),
    "two labels": (GOOD_SESSIONS, "1\t3 4\n", "t.txt:1:"),
    "too few": (GOOD_SESSIONS, GOOD_TEST, "2 sessions are too few"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_line_is_named_by_file_and_number(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sessions, test, message = BAD[case]
    code = benchmark.main(command(write(tmp_path / "s.txt", sessions), write(tmp_path / "t.txt", test), tmp_path / "o.json"))
    last = capsys.readouterr().err.splitlines()[-1]
    assert code == 2
    assert last.startswith("error: ")
    assert message in last
    assert not (tmp_path / "o.json").exists()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write(tmp_path / "s.txt.gz", GOOD_SESSIONS)
    truncated = tmp_path / "truncated.gz"
    truncated.write_bytes(good.read_bytes()[:-9])
    plain = tmp_path / "plain.gz"
    plain.write_text(GOOD_SESSIONS)
    not_utf8 = tmp_path / "raw.txt"
    not_utf8.write_bytes(b"1 \xff\n")
    missing = tmp_path / "none"
    cases = {missing: "No such file", tmp_path: "Is a directory", truncated: "damaged", plain: "damaged", not_utf8: "raw.txt:1"}
    for path, message in cases.items():
        assert benchmark.main(command(path, good, tmp_path / "o.json")) == 2
        error = capsys.readouterr().err
        assert len(error.splitlines()) == 1
        assert str(path) in error
        assert message in error


COMPLETE = command(Path("a"), Path("b"), Path("c"))


@pytest.mark.parametrize("argv", [[], COMPLETE[:4], ["--what"], [*COMPLETE, "--seed", "x"]])
def test_a_wrong_command_line_prints_one_line(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        benchmark.main(argv)
    assert stopped.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
