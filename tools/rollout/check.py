"""The check between two steps of a rollout: compares the metrics of the variants while both serve users."""

import time
from typing import Annotated

import typer

from clickstream_contracts.receipt import Receipt
from clickstream_contracts.serving_api import CANDIDATE, MODEL, REQUESTS
from tools.common.command import current_settings, report_errors
from tools.common.receipt_option import ReceiptUri
from tools.lake.object_store import write_text
from tools.rollout import variants
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
    probes: Annotated[int, typer.Option(min=1, help="Requests to send if no user met the candidate meanwhile.")] = 300,
) -> None:
    """Exit 0 if the candidate serves requests without more errors, much higher latency or significantly fewer clicks; 1 otherwise."""
    settings, started = current_settings(), time.monotonic()
    with ServeClient(settings) as serve:
        before = wait_for_model(serve, candidate, load_timeout)
        time.sleep(settings.rollout_watch_seconds if seconds is None else seconds)
        traffic = variants.traffic_between(before, variants.read(serve))
        failed_probes = 0
        if traffic[CANDIDATE][REQUESTS] == 0:
            failed_probes = send_probes(serve, probes)
        traffic = variants.traffic_between(before, variants.read(serve))
    reasons = variants.reasons_against(traffic, candidate, failed_probes)
    document = build_receipt(candidate, traffic, failed_probes, reasons, time.monotonic() - started)
    write_text(settings, receipt, document.to_json())
    typer.echo("; ".join(reasons) or variants.summary(traffic))
    raise typer.Exit(1 if reasons else 0)


def wait_for_model(serve: ServeClient, candidate: str, timeout: float) -> Variants:
    """Returns the metrics once every replica has loaded the candidate, or after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    metrics = variants.read(serve)
    while metrics[CANDIDATE][MODEL] != candidate and time.monotonic() < deadline:
        time.sleep(1)
        metrics = variants.read(serve)
    return metrics


def send_probes(serve: ServeClient, count: int) -> int:
    """Ask for the lists of `count` made-up users, so many that some are routed to the candidate; returns how many got no response."""
    return sum(not serve.responds(f"/recommend/probe-{number}") for number in range(count))


def build_receipt(candidate: str, traffic: Variants, failed_probes: int, reasons: list[str], seconds: float) -> Receipt:
    """Returns the receipt. A rejection lists its reasons as `failures`: the task then fails without another try."""
    failures = []
    if reasons:
        failures.append({"name": "candidate", "meaning": "the candidate is worse than the stable model", "sample": reasons})
    facts = {"variants": traffic, "failed_probes": failed_probes, "reason": variants.summary(traffic), "failures": failures}
    return Receipt("rollout_check", candidate, facts=facts, error="; ".join(reasons), seconds=round(seconds, 1))
