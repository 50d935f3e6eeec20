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

from clickstream_contracts.held_out import HeldOut
from clickstream_contracts.receipt import Receipt
from tools.rollout.__main__ import app
from tools.rollout.rollout_table import RolloutTable
from tools.rollout.variants import NO_TRAFFIC, reasons_against, traffic_between

NEW, OLD = "n" * 64, "o" * 64


SESSIONS = 240
VIEWS = [[f"p-{number}", "p-1"] for number in range(SESSIONS)]
LISTS = [[f"p-{number + 1}", "p-2"] for number in range(SESSIONS)]


@dataclass
class FakeServe:
    """Responds as a replica does: with the lists of the training, unless the test changes that."""

    variants: dict[str, dict[str, Any]] = field(default_factory=dict)
    milliseconds: dict[str, float] = field(default_factory=lambda: {"stable": 4.0, "candidate": 4.0})
    lists: dict[str, list[str]] = field(
        default_factory=lambda: {json.dumps(views): items for views, items in zip(VIEWS, LISTS, strict=True)}
    )
    fallback: str = ""
    candidate_raises: bool = False
    unavailable: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)

    def serve_model(self, variant: str, model: str, p99: float = 5.0) -> None:
        self.variants[variant] = NO_TRAFFIC | {"p99_ms": p99, "model": model}

    def recommend(self, body: dict[str, Any]) -> tuple[int, Any]:
        """Count a request and return its HTTP status and response."""
        self.asked.append(body)
        name, variant = body["variant"], self.variants[body["variant"]]
        variant["requests"] += 1
        items = [{"id": item} for item in self.lists[json.dumps(body["items"])][: body["k"]]]
        response = {"items": items, "variant": name, "model": variant["model"], "fallback": ""}
        if not variant["model"]:
            response |= {"variant": "none", "fallback": "no model yet"}
        elif name == "candidate":
            response["fallback"] = self.fallback
            if self.candidate_raises:
                variant["errors"] += 1
                response |= {"variant": "stable", "fallback": "candidate failed"}
        return (503, {}) if self.unavailable else (200, response)


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServe]:
    fake = FakeServe()
    fake.serve_model("stable", OLD)
    fake.serve_model("candidate", NEW)
    (tmp_path / "held_out.json").write_text(HeldOut(NEW, VIEWS, LISTS).to_json())
    monkeypatch.setattr(RolloutTable, "model", lambda self, sha256: {"uri": tmp_path.as_uri()})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            assert self.path == "/variants"
            self.respond(200, {"variants": fake.variants})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, response = fake.recommend(body)
            self.respond(status, response, ("Server-Timing", f"rank;dur={fake.milliseconds[body['variant']]}"))

        def respond(self, status: int, body: Any, *headers: tuple[str, str]) -> None:
            assert self.headers["Authorization"] == "Bearer secret"
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in (*headers, ("Content-Length", str(len(content)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        (tmp_path / "token").write_text("secret")
        monkeypatch.setenv("CLICKSTREAM_SERVE_URI", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("CLICKSTREAM_SERVE_TOKEN_FILE", str(tmp_path / "token"))
        monkeypatch.setenv("CLICKSTREAM_STACK_DIR", str(tmp_path / "none"))
        yield fake
        server.shutdown()


def run_check(tmp_path: Path, *more: str) -> tuple[int, Receipt]:
    """Run the command without waiting; returns its exit code and its receipt."""
    path = tmp_path / "receipt.json"
    argv = ["check", "--candidate", NEW, "--receipt", path.as_uri(), "--seconds", "0", "--load-timeout", "0", *more]
    exit_code = CliRunner().invoke(app, argv).exit_code
    return exit_code, Receipt.from_json(path.read_text())


def test_a_healthy_candidate_passes_and_the_receipt_holds_the_numbers(serve: FakeServe, tmp_path: Path) -> None:
    exit_code, receipt = run_check(tmp_path)
    assert (exit_code, receipt.error) == (0, "")
    numbers = {"sessions": SESSIONS, "errors": 0, "fallbacks": 0, "different_lists": 0, "median_ms": 4.0}
    assert receipt.facts["replayed"]["candidate"] == numbers
    assert receipt.facts["variants"]["candidate"]["requests"] == SESSIONS
    assert receipt.facts["reason"].startswith(
        "240 sessions replayed: candidate 0 failed, 0 fallbacks, 0 other lists, median 4.0 ms; stable 0"
    )


def test_both_variants_get_the_held_out_sessions_with_the_same_options(serve: FakeServe, tmp_path: Path) -> None:
    run_check(tmp_path)
    assert [body.pop("variant") for body in serve.asked] == ["stable", "candidate"] * SESSIONS
    assert [body["items"] for body in serve.asked[::2]] == VIEWS
    assert serve.asked[::2] == serve.asked[1::2]
    assert serve.asked[0] == {"items": VIEWS[0], "k": 2, "seen": True}


def raises_when_it_ranks(serve: FakeServe) -> None:
    serve.candidate_raises = True


def is_unavailable(serve: FakeServe) -> None:
    serve.unavailable = True
    serve.variants["stable"]["model"] = ""


def serves_old_model(serve: FakeServe) -> None:
    serve.serve_model("candidate", OLD)


def serves_no_model(serve: FakeServe) -> None:
    serve.serve_model("candidate", "")


def is_ten_times_slower(serve: FakeServe) -> None:
    serve.milliseconds = {"stable": 0.3, "candidate": 3.0}


def is_three_times_slower_and_users_notice(serve: FakeServe) -> None:
    serve.milliseconds = {"stable": 4.0, "candidate": 12.0}


def has_a_slow_p99(serve: FakeServe) -> None:
    serve.serve_model("candidate", NEW, p99=60.0)


def has_nan_latency(serve: FakeServe) -> None:
    serve.serve_model("candidate", NEW, p99=float("nan"))


def knows_no_product(serve: FakeServe) -> None:
    serve.fallback = "unknown item"


def ranks_unlike_the_training(serve: FakeServe) -> None:
    for views in VIEWS[:5]:
        serve.lists[json.dumps(views)] = ["p-2", "p-1"]


REJECTIONS: list[tuple[Callable[[FakeServe], None], str]] = [
    (raises_when_it_ranks, "240 of 240 replayed sessions failed with the candidate, 0 with the stable model"),
    (raises_when_it_ranks, "240 of 240 requests to the candidate failed, 0 of 240"),
    (serves_old_model, "serves model oooooooooooo instead of nnnnnnnnnnnn"),
    (serves_no_model, "serves model none"),
    (is_ten_times_slower, "median latency is 3.0 ms, the stable model's 0.3 ms"),
    (is_three_times_slower_and_users_notice, "median latency is 12.0 ms, the stable model's 4.0 ms"),
    (has_a_slow_p99, "p99 latency is 60.0 ms, the limit is 50 ms"),
    (has_nan_latency, "p99 latency is nan ms"),
    (is_unavailable, "240 of 240 replayed sessions failed"),
    (knows_no_product, "240 of 240 replayed sessions got a fallback list from the candidate, 0 from the stable model"),
    (ranks_unlike_the_training, "5 of 240 replayed sessions got another list than the training made of them"),
]


@pytest.mark.parametrize(("break_candidate", "reason"), REJECTIONS, ids=[function.__name__ for function, _ in REJECTIONS])
def test_a_worse_candidate_is_rejected_without_another_try(
    break_candidate: Callable[[FakeServe], None], reason: str, serve: FakeServe, tmp_path: Path
) -> None:
    break_candidate(serve)
    exit_code, receipt = run_check(tmp_path, "--accept-unmeasured")
    assert exit_code == 1
    assert reason in receipt.error
    assert receipt.facts["failures"][0]["sample"]


@pytest.mark.parametrize("content", ["few", "none", "of another model", "damaged"])
def test_a_candidate_that_was_not_measured_needs_a_person(serve: FakeServe, tmp_path: Path, content: str) -> None:
    file = tmp_path / "held_out.json"
    if content == "none":
        file.unlink()
    elif content == "damaged":
        file.write_text("{")
    else:
        file.write_text(HeldOut(NEW if content == "few" else OLD, VIEWS[:199], LISTS[:199]).to_json())
    exit_code, receipt = run_check(tmp_path)
    assert exit_code == 1
    assert f"{199 if content == 'few' else 0} held-out sessions were replayed, 200 are needed" in receipt.error
    conf = f'{{"model": "{NEW}", "accept_unmeasured": true}}'
    assert f"airflow dags trigger clickstream_rollout --conf '{conf}'" in receipt.error
    exit_code, receipt = run_check(tmp_path, "--accept-unmeasured")
    assert (exit_code, receipt.error) == (0, "")


def test_the_first_model_of_a_shop_is_judged_without_a_stable_one(serve: FakeServe, tmp_path: Path) -> None:
    serve.serve_model("stable", "")
    assert run_check(tmp_path)[0] == 0
    serve.candidate_raises = True
    assert "240 of 240 replayed sessions failed" in run_check(tmp_path)[1].error


@pytest.mark.parametrize(("requests", "rejected"), [(1_000_000, False), (900, True)])
def test_one_error_counts_by_its_share_of_the_requests(requests: int, rejected: bool) -> None:
    stable, candidate = ({"requests": requests, "model": model} for model in (OLD, NEW))
    variants = {"stable": NO_TRAFFIC | stable, "candidate": NO_TRAFFIC | candidate | {"errors": 1}}
    assert bool(reasons_against(variants, NEW)) is rejected


@pytest.mark.parametrize(
    ("clicked", "shown", "rejected"),
    [(10, 500, True), (35, 500, False), (0, 12, False), (60, 500, False), (0, 0, False)],
    ids=["significantly fewer", "fewer by chance", "too few lists", "more", "no lists"],
)
def test_a_candidate_with_significantly_fewer_clicks_is_rejected(clicked: int, shown: int, rejected: bool) -> None:
    candidate = NO_TRAFFIC | {"requests": 500, "model": NEW, "shown": shown, "clicked": clicked}
    stable = NO_TRAFFIC | {"requests": 500, "model": OLD, "shown": 500, "clicked": 40}
    reasons = reasons_against({"stable": stable, "candidate": candidate}, NEW)
    expected = [f"{clicked} of {shown} lists of the candidate were clicked, 40 of 500 of the stable model"] if rejected else []
    assert reasons == expected


def test_lists_without_any_click_are_no_reason_to_reject() -> None:
    metrics = NO_TRAFFIC | {"requests": 9, "shown": 9}
    assert reasons_against({"stable": metrics | {"model": OLD}, "candidate": metrics | {"model": NEW}}, NEW) == []


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
