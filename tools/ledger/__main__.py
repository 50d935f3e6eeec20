"""Check the ledger against the lake, or wait until the lake holds all that Kafka holds."""

import json
import time
from typing import Annotated

import typer

from clickstream_contracts import names
from clickstream_contracts.receipt import Receipt
from tools.common.command import UsageError, current_settings, errors_in_one_line, run_app
from tools.kafka.producer import SendError
from tools.kafka.reader import end_offsets
from tools.lake import catalog as lake
from tools.lake.object_store import write_text
from tools.ledger import balance, read, wait
from tools.ledger import lake as rows

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, rich_markup_mode=None, no_args_is_help=True)


@app.command()
@errors_in_one_line(SendError, wait.Lagging)
def check(
    run: Annotated[str | None, typer.Option(help="Only this run; rows that nobody sent are then not looked for.")] = None,
    curated: Annotated[bool, typer.Option("--curated", help="Also compare curated.events, as of the last published nightly.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts and problems as JSON.")] = False,
) -> None:
    """Exit 0 if every acknowledged record is in the lake once, in its place, and nothing else is; 1 otherwise."""
    settings = current_settings()
    verdict = balance.check(read.entries(settings, run), rows.read(settings, curated), whole_topic=run is None)
    if as_json:
        typer.echo(json.dumps({"balanced": verdict.balanced, **verdict.counts, "problems": verdict.problems}, indent=1))
    else:
        typer.echo("\n".join(_lines(verdict)))
    raise typer.Exit(0 if verdict.balanced else 1)


def _lines(verdict: balance.Verdict) -> list[str]:
    counts = [f"{name}: {value}" for name, value in verdict.counts.items()]
    return [
        *counts,
        *(f"PROBLEM: {text}" for text in verdict.problems),
        "the ledger balances" if verdict.balanced else "the ledger does not balance",
    ]


@app.command("wait")
@errors_in_one_line(SendError, wait.Lagging)
def wait_for_lake(
    receipt: Annotated[str, typer.Option(help="Where the receipt goes, s3://... or file://...")],
    timeout: Annotated[float, typer.Option(min=0, help="Give up after this many seconds.")] = 900,
) -> None:
    """Wait until raw.clicks and raw.quarantine hold every record that is in Kafka now."""
    settings, started = current_settings(), time.monotonic()
    if not receipt.startswith(("s3://", "file:///")):
        raise UsageError(f"--receipt {receipt!r}: give an address like s3://lake/receipts/wait.json or file:///tmp/wait.json")
    cut = end_offsets(settings)
    progress = wait.Progress(lake.catalog(settings), cut)
    wait.until_complete(progress.rows, cut, timeout, typer.echo)
    cuts = {str(partition): end for partition, end in cut.items()}
    note = Receipt(
        app="tools.ledger",
        run=receipt.rsplit("/", 2)[-2] if "/" in receipt else receipt,
        inputs={names.CLICKS_TOPIC: cuts, names.MAIN: rows.main_commit(settings)},
        rows={names.CLICKS_TOPIC: sum(cut.values())},
        facts={"cut": cuts},
        seconds=round(time.monotonic() - started, 1),
    )
    write_text(settings, receipt, note.to_json())
    typer.echo(f"the lake holds all {sum(cut.values())} records of {names.CLICKS_TOPIC}")


if __name__ == "__main__":
    run_app(app)
