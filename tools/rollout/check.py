"""The check between two steps of a rollout: replays held-out sessions through both variants, and compares the variants' metrics."""

import time
from typing import Annotated, Any

import typer

from clickstream_contracts.receipt import Receipt
from clickstream_contracts.serving_api import CANDIDATE, MODEL, STABLE
from tools.common.command import current_settings, report_errors
from tools.common.receipt_option import ReceiptUri
from tools.lake.object_store import write_text
from tools.rollout import replay, variants
from tools.rollout.serve_client import ServeClient, ServeError
from tools.rollout.variants import Variants


@report_errors(ServeError)
def check(
    candidate: Annotated[str, typer.Option(help="sha256 of the model that the candidate variant must serve.")],
    receipt: ReceiptUri,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="Length of the observation; default: the setting rollout_watch_seconds.")
    ] = None,
    load_timeout: Annotated[float, typer.Option(min=0, help="Seconds that the replicas may take to load the model.")] = 120,
    accept_unmeasured: Annotated[bool, typer.Option(help="Pass a candidate of which too few sessions could be replayed.")] = False,
) -> None:
    """Exit 0 if the candidate responds to the held-out sessions as in training, and without more errors, fallbacks, latency or fewer
    clicks than the stable model; 1 otherwise.
    """
    settings, started = current_settings(), time.monotonic()
    held_out = replay.read_held_out(settings, candidate)
    with ServeClient(settings) as serve:
        before = wait_for_model(serve, candidate, load_timeout)
        replays = replay.replay(serve, held_out)
        time.sleep(settings.rollout_watch_seconds if seconds is None else seconds)
        traffic = variants.traffic_between(before, variants.read(serve))
    reasons = [*replay.reasons_against(replays, bool(traffic[STABLE][MODEL])), *variants.reasons_against(traffic, candidate)]
    missing = replay.unmeasured(replays, candidate)
    if missing and not accept_unmeasured:
        reasons.append(missing)
    facts = {
        "variants": traffic,
        "replayed": {variant: replayed.to_json() for variant, replayed in replays.items()},
        "reason": f"{replay.summary(replays)}; {variants.summary(traffic)}",
    }
    document = build_receipt(candidate, facts, reasons, time.monotonic() - started)
    write_text(settings, receipt, document.to_json())
    typer.echo("; ".join(reasons) or facts["reason"])
    raise typer.Exit(1 if reasons else 0)


def wait_for_model(serve: ServeClient, candidate: str, timeout: float) -> Variants:
    """Returns the metrics once every replica has loaded the candidate, or after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    metrics = variants.read(serve)
    while metrics[CANDIDATE][MODEL] != candidate and time.monotonic() < deadline:
        time.sleep(1)
        metrics = variants.read(serve)
    return metrics


def build_receipt(candidate: str, facts: dict[str, Any], reasons: list[str], seconds: float) -> Receipt:
    """Returns the receipt. A rejection lists its reasons as `failures`: the task then fails without another try."""
    failures = []
    if reasons:
        failures.append({"name": "candidate", "meaning": "the candidate is worse than the stable model", "sample": reasons})
    return Receipt("rollout_check", candidate, facts=facts | {"failures": failures}, error="; ".join(reasons), seconds=round(seconds, 1))
