"""The check between two steps of a rollout, against an HTTP server whose metrics the test sets."""

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
from tools.rollout.__main__ import app
from tools.rollout.variants import NO_TRAFFIC, reasons_against, traffic_between

NEW, OLD = "n" * 64, "o" * 64


@dataclass
class FakeServe:
    """Counts like a replica; every third user gets the candidate."""

    variants: dict[str, dict[str, Any]] = field(default_factory=dict)
    candidate_fails: bool = False
    unavailable: bool = False
    users_per_read: int = 0

    def serve_model(self, variant: str, model: str, p99: float = 5.0) -> None:
        self.variants[variant] = NO_TRAFFIC | {"p99_ms": p99, "model": model}

    def recommend(self, path: str) -> int:
        """Count a request for a user and return its HTTP status."""
        variant = self.variants["candidate" if path.endswith(("0", "3", "6")) else "stable"]
        variant["requests"] += 1
        if self.candidate_fails and variant["model"] == NEW:
            variant["errors"] += 1
        return 503 if self.unavailable else 200

    def respond(self, path: str) -> tuple[int, Any]:
        """Return HTTP status and body. Each read of the variants happens after `users_per_read` requests of users."""
        if path != "/variants":
            return self.recommend(path), {}
        for number in range(self.users_per_read):
            self.recommend(f"user-{number}")
        return 200, {"variants": self.variants}


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServe]:
    fake = FakeServe()
    fake.serve_model("stable", OLD)
    fake.serve_model("candidate", NEW)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.headers["Authorization"] == "Bearer secret"
            status, body = fake.respond(self.path)
            self.send_response(status)
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
        yield fake
        server.shutdown()


def run_check(tmp_path: Path) -> tuple[int, Receipt]:
    """Run the command without waiting; returns its exit code and its receipt."""
    path = tmp_path / "receipt.json"
    argv = ["check", "--candidate", NEW, "--receipt", path.as_uri(), "--seconds", "0", "--load-timeout", "0", "--probes", "30"]
    exit_code = CliRunner().invoke(app, argv).exit_code
    return exit_code, Receipt.from_json(path.read_text())


def test_a_healthy_candidate_passes_and_the_receipt_holds_the_metrics(serve: FakeServe, tmp_path: Path) -> None:
    exit_code, receipt = run_check(tmp_path)
    assert (exit_code, receipt.error) == (0, "")
    assert receipt.facts["variants"]["candidate"]["requests"] == 9
    assert receipt.facts["reason"] == (
        "candidate: 0 of 9 requests failed, p99 5.0 ms, 0 of 0 lists clicked;"
        " stable: 0 of 21 requests failed, p99 5.0 ms, 0 of 0 lists clicked"
    )


def test_no_probes_are_sent_while_users_meet_the_candidate(serve: FakeServe, tmp_path: Path) -> None:
    serve.users_per_read = 10
    exit_code, receipt = run_check(tmp_path)
    assert exit_code == 0
    # The metrics are read three times: before and after the observation, and once more after the probes that were not needed.
    assert sum(variant["requests"] for variant in serve.variants.values()) == 30
    assert receipt.facts["variants"]["candidate"]["requests"] == 6


def requests_fail(serve: FakeServe) -> None:
    serve.candidate_fails = True


def is_unavailable(serve: FakeServe) -> None:
    serve.unavailable = True


def serves_old_model(serve: FakeServe) -> None:
    serve.serve_model("candidate", OLD)


def serves_no_model(serve: FakeServe) -> None:
    serve.serve_model("candidate", "")


def is_slow(serve: FakeServe) -> None:
    serve.serve_model("candidate", NEW, p99=60.0)


def has_nan_latency(serve: FakeServe) -> None:
    serve.serve_model("candidate", NEW, p99=float("nan"))


REJECTIONS: list[tuple[Callable[[FakeServe], None], str]] = [
    (requests_fail, "9 of 9 requests to the candidate failed, 0 of 21"),
    (serves_old_model, "serves model oooooooooooo instead of nnnnnnnnnnnn"),
    (serves_no_model, "serves model none"),
    (is_slow, "p99 latency is 60.0 ms, the limit is 50 ms"),
    (has_nan_latency, "p99 latency is nan ms"),
    (is_unavailable, "30 probes got no response"),
]


@pytest.mark.parametrize(("break_candidate", "reason"), REJECTIONS, ids=[function.__name__ for function, _ in REJECTIONS])
def test_a_worse_candidate_is_rejected_without_another_try(
    break_candidate: Callable[[FakeServe], None], reason: str, serve: FakeServe, tmp_path: Path
) -> None:
    break_candidate(serve)
    exit_code, receipt = run_check(tmp_path)
    assert exit_code == 1
    assert reason in receipt.error
    assert receipt.facts["failures"][0]["sample"]


def test_a_candidate_without_requests_is_rejected() -> None:
    variants = {"stable": NO_TRAFFIC | {"requests": 9, "model": OLD}, "candidate": NO_TRAFFIC | {"model": NEW}}
    assert reasons_against(variants, NEW, 0) == ["the candidate served no request"]


@pytest.mark.parametrize(
    ("clicked", "shown", "rejected"),
    [(10, 500, True), (35, 500, False), (0, 12, False), (60, 500, False), (0, 0, False)],
    ids=["significantly fewer", "fewer by chance", "too few lists", "more", "no lists"],
)
def test_a_candidate_with_significantly_fewer_clicks_is_rejected(clicked: int, shown: int, rejected: bool) -> None:
    candidate = NO_TRAFFIC | {"requests": 500, "model": NEW, "shown": shown, "clicked": clicked}
    stable = NO_TRAFFIC | {"requests": 500, "model": OLD, "shown": 500, "clicked": 40}
    reasons = reasons_against({"stable": stable, "candidate": candidate}, NEW, 0)
    expected = [f"{clicked} of {shown} lists of the candidate were clicked, 40 of 500 of the stable model"] if rejected else []
    assert reasons == expected


def test_lists_without_any_click_are_no_reason_to_reject() -> None:
    metrics = NO_TRAFFIC | {"requests": 9, "shown": 9}
    assert reasons_against({"stable": metrics | {"model": OLD}, "candidate": metrics | {"model": NEW}}, NEW, 0) == []


def test_counters_of_a_variant_with_another_model_start_at_zero() -> None:
    before = {"candidate": NO_TRAFFIC | {"requests": 50, "errors": 50, "model": OLD}}
    after = {"candidate": NO_TRAFFIC | {"requests": 60, "model": NEW}}
    assert traffic_between(before, after)["candidate"]["requests"] == 60


def test_an_unreachable_server_is_one_line_and_no_receipt(serve: FakeServe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_SERVE_URI", "http://127.0.0.1:1")
    done = CliRunner().invoke(app, ["check", "--candidate", NEW, "--receipt", (tmp_path / "r.json").as_uri()])
    assert done.exit_code == 1
    assert not (tmp_path / "r.json").exists()
    assert len(done.stderr.splitlines()) == 1


def test_a_receipt_address_of_another_scheme_is_a_usage_error(serve: FakeServe) -> None:
    done = CliRunner().invoke(app, ["check", "--candidate", NEW, "--receipt", "/tmp/r.json"])
    assert done.exit_code == 2
    assert "is no s3:// or file:/// address" in " ".join(done.stderr.split())
