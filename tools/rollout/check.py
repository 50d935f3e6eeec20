"""Compares the arms of a rollout as the serving replicas count them: `python -m tools.arms check --help`."""

import time
from typing import Annotated, Any

import httpx
import typer

from clickstream_contracts.receipt import Receipt
from clickstream_contracts.settings import Settings, read_secret
from tools.common.command import UsageError, current_settings, report_errors, run_app
from tools.lake.object_store import write_text

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, rich_markup_mode=None, no_args_is_help=True)
# A candidate may be so much slower than the stable model, and anyway so slow, that a shopper does not notice.
TIMES, UNNOTICED_MS = 2.0, 50.0
# One check in a hundred may refuse by chance.
SURE, FEW_CLICKS = 2.33, 10
Arms = dict[str, dict[str, Any]]
COUNTS = ("requests", "errors", "shown", "clicked")
NOTHING = {**dict.fromkeys(COUNTS, 0), "p99_ms": 0.0, "model": ""}


@app.callback()
def _verbs() -> None:
    """One verb so far, named so that a second can join it."""


@app.command()
@report_errors(httpx.HTTPError)
def check(
    candidate: Annotated[str, typer.Option(help="sha256 of the model that must be on trial.")],
    receipt: Annotated[str, typer.Option(help="Where the receipt goes, s3://... or file://...")],
    seconds: Annotated[float | None, typer.Option(min=0, help="How long to watch; default: the setting rollout_watch_seconds.")] = None,
    patience: Annotated[float, typer.Option(min=0, help="How long the replicas may take to load the model.")] = 120,
    probes: Annotated[int, typer.Option(min=1, help="Requests to send if nobody asked the candidate meanwhile.")] = 300,
) -> None:
    """Exit 0 if the candidate answers, without more errors, about as fast and not clicked less beyond chance; 1 otherwise."""
    if not receipt.startswith(("s3://", "file:///")):
        raise UsageError(f"--receipt {receipt!r}: give an address like s3://lake/receipts/check.json or file:///tmp/check.json")
    settings, started = current_settings(), time.monotonic()
    with client(settings) as serve:
        before = await_model(serve, candidate, patience)
        time.sleep(settings.rollout_watch_seconds if seconds is None else seconds)
        failed = 0 if since(before, arms(serve))["candidate"]["requests"] else probe(serve, probes)
        after = since(before, arms(serve))
    reasons = judge(after, candidate, failed)
    write_text(settings, receipt, told(candidate, after, failed, reasons, time.monotonic() - started).to_json())
    typer.echo("; ".join(reasons) or words(after))
    raise typer.Exit(1 if reasons else 0)


def client(settings: Settings) -> httpx.Client:
    """Requests to the replicas, with the token that they ask for."""
    headers = {"Authorization": f"Bearer {read_secret(settings.serve_token_file)}"}
    return httpx.Client(base_url=settings.serve_uri, headers=headers, timeout=20, trust_env=False)


def arms(serve: httpx.Client) -> Arms:
    """Both arms as they are counted now; one that is missing did nothing."""
    answer = serve.get("/arms")
    answer.raise_for_status()
    found = answer.json()["arms"]
    return {name: NOTHING | found.get(name, {}) for name in ("stable", "candidate")}


def await_model(serve: httpx.Client, candidate: str, patience: float) -> Arms:
    """The arms once every replica has loaded the candidate, or when patience ends."""
    deadline = time.monotonic() + patience
    while (found := arms(serve))["candidate"]["model"] != candidate and time.monotonic() < deadline:
        time.sleep(1)
    return found


def since(before: Arms, now: Arms) -> Arms:
    """What was counted in between; an arm that got another model counts anew."""
    return {name: _less(now[name], before[name]) for name in now}


def _less(now: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    same = now["model"] == before["model"] and now["requests"] >= before["requests"]
    return now | {name: now[name] - before[name] * same for name in COUNTS}


def probe(serve: httpx.Client, count: int) -> int:
    """Ask for as many users as it takes to meet both arms; the number of answers that were none."""
    failed = 0
    for number in range(count):
        try:
            failed += serve.get(f"/recommend/probe-{number}").status_code != 200
        except httpx.TransportError:
            failed += 1
    return failed


def judge(found: Arms, candidate: str, failed_probes: int) -> list[str]:
    """Every reason against the candidate; what was not measured is one."""
    new, old = found["candidate"], found["stable"]
    reasons = []
    if new["model"] != candidate:
        reasons.append(f"the candidate's arm holds model {new['model'][:12] or 'none'} and not {candidate[:12]}")
    if not new["requests"] > 0:
        reasons.append("nobody was answered by the candidate")
    if failed_probes:
        reasons.append(f"{failed_probes} probes got no answer")
    if not new["errors"] * max(old["requests"], 1) <= old["errors"] * max(new["requests"], 1):
        reasons.append(f"{_share(new)} answers of the candidate failed, {_share(old)} of the stable model")
    limit = max(UNNOTICED_MS, TIMES * old["p99_ms"])
    if not new["p99_ms"] <= limit:
        reasons.append(f"the candidate's p99 is {new['p99_ms']} ms, more than {limit:.0f} ms")
    if clicked_less(new, old):
        reasons.append(f"{_clicks(new)} lists of the candidate were clicked, {_clicks(old)} of the stable model")
    return reasons


def clicked_less(new: dict[str, Any], old: dict[str, Any]) -> bool:
    """Whether the candidate's click-through is lower beyond chance: z test of two proportions, pooled, one-sided.

    Few lists prove nothing, so they are no reason: a normal approximation needs some clicks to be one.
    """
    lists, clicks = new["shown"] + old["shown"], new["clicked"] + old["clicked"]
    if not (new["shown"] and old["shown"] and clicks >= FEW_CLICKS):
        return False
    pooled = clicks / lists
    error = (pooled * (1 - pooled) * (1 / new["shown"] + 1 / old["shown"])) ** 0.5
    return bool(new["clicked"] / new["shown"] - old["clicked"] / old["shown"] < -SURE * error)


def _share(arm: dict[str, Any]) -> str:
    return f"{arm['errors']} of {arm['requests']}"


def _clicks(arm: dict[str, Any]) -> str:
    return f"{arm['clicked']} of {arm['shown']}"


def words(found: Arms) -> str:
    """Both arms in words and numbers."""
    new, old = found["candidate"], found["stable"]
    done = f"{_share(new)} requests failed, p99 {new['p99_ms']} ms against {old['p99_ms']} ms"
    return f"{done}, {_clicks(new)} lists clicked against {_clicks(old)}"


def told(candidate: str, found: Arms, failed: int, reasons: list[str], seconds: float) -> Receipt:
    """The receipt; a refusal carries its samples, so that nobody tries again."""
    failures = [{"name": "candidate", "meaning": "the candidate does worse than the stable model", "sample": reasons}] if reasons else []
    facts = {"arms": found, "failed_probes": failed, "reason": words(found), "failures": failures}
    return Receipt("arms", candidate, facts=facts, error="; ".join(reasons), seconds=round(seconds, 1))


if __name__ == "__main__":
    run_app(app)
