"""The check between two steps of a rollout: against a serving interface that behaves as the test says."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from clickstream_contracts.receipt import Receipt
from tools.rollout import check as arms

NEW, OLD = "n" * 64, "o" * 64


@dataclass
class Serve:
    """Counts like a replica; every third user is on the candidate's side."""

    arms: dict[str, dict[str, Any]] = field(default_factory=dict)
    broken: bool = False
    unreachable: bool = False
    visitors: int = 0

    def arm(self, name: str, model: str, p99: float = 5.0) -> None:
        self.arms[name] = arms.NOTHING | {"p99_ms": p99, "model": model}

    def ask(self, user: str) -> int:
        arm = self.arms["candidate" if user.endswith(("0", "3", "6")) else "stable"]
        failed = self.broken and arm["model"] == NEW
        arm["requests"] += 1
        arm["errors"] += failed
        return 503 if self.unreachable else 200


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    found = Serve()
    found.arm("stable", OLD)
    found.arm("candidate", NEW)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.headers["Authorization"] == "Bearer secret"
            body: Any = {}
            code = 200
            if self.path == "/variants":
                for number in range(found.visitors):
                    found.ask(f"user-{number}")
                body = {"variants": found.arms}
            else:
                code = found.ask(self.path)
            self.send_response(code)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        (tmp_path / "token").write_text("secret")
        monkeypatch.setenv("CLICKSTREAM_SERVE_URI", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("CLICKSTREAM_SERVE_TOKEN_FILE", str(tmp_path / "token"))
        monkeypatch.setenv("CLICKSTREAM_STACK_DIR", str(tmp_path / "none"))
        yield found
        server.shutdown()


def checked(tmp_path: Path, *more: str) -> tuple[int, Receipt]:
    place = tmp_path / "receipt.json"
    words = ["check", "--candidate", NEW, "--receipt", place.as_uri(), "--seconds", "0", "--patience", "0", "--probes", "30", *more]
    code = CliRunner().invoke(arms.app, words).exit_code
    return code, Receipt.from_json(place.read_text())


def test_a_healthy_candidate_passes_and_says_so_in_numbers(serve: Serve, tmp_path: Path) -> None:
    code, receipt = checked(tmp_path)
    assert (code, receipt.error) == (0, "")
    assert receipt.facts["arms"]["candidate"]["requests"] == 9
    assert receipt.facts["reason"] == "0 of 9 requests failed, p99 5.0 ms against 5.0 ms, 0 of 0 lists clicked against 0 of 0"


def test_with_visitors_no_probe_is_sent(serve: Serve, tmp_path: Path) -> None:
    serve.visitors = 10
    code, receipt = checked(tmp_path)
    assert code == 0
    # Asked three times: before, after, and once more to judge.
    assert sum(arm["requests"] for arm in serve.arms.values()) == 30
    assert receipt.facts["arms"]["candidate"]["requests"] == 6


def slow(serve: Serve) -> None:
    serve.arm("candidate", NEW, p99=60.0)


def nan(serve: Serve) -> None:
    serve.arm("candidate", NEW, p99=float("nan"))


BROKEN: dict[str, tuple[Callable[[Serve], None], str]] = {
    "errors": (lambda serve: setattr(serve, "broken", True), "9 of 9 answers of the candidate failed, 0 of 21"),
    "other model": (lambda serve: serve.arm("candidate", OLD), "holds model oooooooooooo and not nnnnnnnnnnnn"),
    "no candidate": (lambda serve: serve.arm("candidate", ""), "holds model none"),
    "slow": (slow, "p99 is 60.0 ms, more than 50 ms"),
    "not a number": (nan, "p99 is nan ms"),
    "no answers": (lambda serve: setattr(serve, "unreachable", True), "30 probes got no answer"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_everything_else_is_refused_for_good(case: str, serve: Serve, tmp_path: Path) -> None:
    spoil, says = BROKEN[case]
    spoil(serve)
    code, receipt = checked(tmp_path)
    assert code == 1
    assert says in receipt.error
    assert receipt.facts["failures"][0]["sample"]


def test_nobody_on_the_candidates_side_is_refused() -> None:
    alone = {"stable": arms.NOTHING | {"requests": 9, "model": OLD}, "candidate": arms.NOTHING | {"model": NEW}}
    assert arms.judge(alone, NEW, 0) == ["nobody was answered by the candidate"]


@pytest.mark.parametrize(
    ("clicked", "shown", "refused"),
    [(10, 500, True), (35, 500, False), (0, 12, False), (60, 500, False), (0, 0, False)],
    ids=["surely less", "less by chance", "too few lists", "more", "nobody"],
)
def test_a_candidate_whose_lists_are_clicked_less_beyond_chance_is_refused(clicked: int, shown: int, refused: bool) -> None:
    candidate = arms.NOTHING | {"requests": 500, "model": NEW, "shown": shown, "clicked": clicked}
    stable = arms.NOTHING | {"requests": 500, "model": OLD, "shown": 500, "clicked": 40}
    reasons = arms.judge({"stable": stable, "candidate": candidate}, NEW, 0)
    assert reasons == [f"{clicked} of {shown} lists of the candidate were clicked, 40 of 500 of the stable model"] * refused


def test_no_click_at_all_proves_nothing() -> None:
    both = {name: arms.NOTHING | {"requests": 9, "shown": 9, "model": model} for name, model in (("stable", OLD), ("candidate", NEW))}
    assert arms.judge(both, NEW, 0) == []


def test_counts_of_an_arm_that_got_another_model_start_anew() -> None:
    before = {"candidate": arms.NOTHING | {"requests": 50, "errors": 50, "model": OLD}}
    assert arms.since(before, {"candidate": arms.NOTHING | {"requests": 60, "model": NEW}})["candidate"]["requests"] == 60


def test_a_server_that_is_away_leaves_no_receipt_and_one_line(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_SERVE_URI", "http://127.0.0.1:1")
    found = CliRunner().invoke(arms.app, ["check", "--candidate", NEW, "--receipt", (tmp_path / "r.json").as_uri()])
    assert found.exit_code == 1
    assert not (tmp_path / "r.json").exists()
