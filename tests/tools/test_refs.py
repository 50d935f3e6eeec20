"""The commands about Nessie references: tables on stdout, errors in one line with the address or Nessie's message."""

import json
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from tools.common import http
from tools.lake.refs import app

REFERENCES = {"references": [{"type": "BRANCH", "name": "main", "hash": "aa"}, {"type": "TAG", "name": "nightly_1", "hash": "bb"}]}
HISTORY = {"logEntries": [{"commitMeta": {"hash": "aa", "commitTime": "2026-01-02T03:04:05Z", "message": "Release of x\nmore"}}]}
RESPONSES = {
    ("GET", "trees"): (200, REFERENCES),
    ("GET", "trees/main/history"): (200, HISTORY),
    ("GET", "trees/etl_1"): (200, {"reference": {"name": "etl_1", "hash": "cc"}}),
    ("DELETE", "trees/etl_1@cc"): (200, None),
}


@pytest.fixture
def requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Method and path of each request, which is answered from RESPONSES."""
    sent: list[tuple[str, str]] = []

    def respond(request: httpx.Request) -> httpx.Response:
        path = request.url.path.partition("/api/v2/")[2]
        sent.append((request.method, path))
        status, body = RESPONSES.get((request.method, path), (404, {"message": f"Named reference of {path} not found"}))
        return httpx.Response(status, content=b"" if body is None else json.dumps(body).encode())

    monkeypatch.setattr(http, "client", lambda **options: httpx.Client(transport=httpx.MockTransport(respond)))
    monkeypatch.setenv("CLICKSTREAM_STACK_DIR", str(tmp_path / "none"))
    return sent


@pytest.mark.parametrize(
    ("argv", "expected"),
    [(["branches"], ["main", "aa"]), (["tags"], ["nightly_1", "bb"]), (["log"], ["2026-01-02T03:04:05", "Release of x"])],
)
def test_references_and_commits_are_listed(requests: list[tuple[str, str]], argv: list[str], expected: list[str]) -> None:
    done = CliRunner().invoke(app, argv)
    assert done.exit_code == 0
    assert all(text in done.stdout for text in expected)
    assert "more" not in done.stdout


def test_a_branch_is_dropped_at_the_commit_that_was_read(requests: list[tuple[str, str]]) -> None:
    assert CliRunner().invoke(app, ["drop", "etl_1"]).exit_code == 0
    assert requests == [("GET", "trees/etl_1"), ("DELETE", "trees/etl_1@cc")]


def test_main_is_never_dropped(requests: list[tuple[str, str]]) -> None:
    done = CliRunner().invoke(app, ["drop", "main"])
    assert (done.exit_code, requests) == (2, [])
    assert "main cannot be dropped" in done.stderr


def test_a_rejected_request_is_one_line_with_the_message_of_nessie(requests: list[tuple[str, str]]) -> None:
    done = CliRunner().invoke(app, ["log", "nowhere"])
    assert done.exit_code == 2
    assert done.stderr == "error: Nessie rejected GET trees/nowhere/history: Named reference of trees/nowhere/history not found\n"


def test_an_unreachable_nessie_is_one_line_with_its_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_STACK_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("CLICKSTREAM_NESSIE_URI", "http://127.0.0.1:1")
    done = CliRunner().invoke(app, ["branches"])
    assert done.exit_code == 1
    assert done.stderr.startswith("error: cannot reach Nessie at http://127.0.0.1:1 ")
    assert len(done.stderr.splitlines()) == 1
