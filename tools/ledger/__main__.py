"""Compare the ledger with the lake, or wait until the lake holds everything that Kafka holds."""

import json
import time
from typing import Annotated

import typer

from clickstream_contracts import names
from clickstream_contracts.receipt import Receipt
from tools.common.command import current_settings, new_app, report_errors, run_app
from tools.common.receipt_option import ReceiptUri, run_name
from tools.kafka.client import SendError
from tools.kafka.reader import end_offsets
from tools.lake import nessie
from tools.lake.catalog import open_catalog
from tools.lake.object_store import write_text
from tools.ledger import balance, lake_state, offset_gaps, reader, topic_recreations, wait
from tools.ledger.kafka_gaps import EXPIRED, GapFinder
from tools.ledger.lake_records import LakeRecords

app = new_app(__doc__)


@app.command()
@report_errors(SendError, nessie.NessieUnreachable)
def check(
    run: Annotated[str | None, typer.Option(help="Only this run; rows that no run sent are then not searched for.")] = None,
    curated: Annotated[bool, typer.Option("--curated", help="Also compare curated.events, as of the last published nightly.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts and problems as JSON.")] = False,
) -> None:
    """Exit 0 if every acknowledged record is in the lake exactly once, in the right table, and nothing else is; 1 otherwise."""
    settings = current_settings()
    result = balance.check(reader.entries(settings, run), lake_state.read(settings, curated), whole_topic=run is None)
    if as_json:
        typer.echo(json.dumps({"balanced": result.balanced, **result.counts, "problems": result.problems}, indent=1))
    else:
        typer.echo("\n".join(_lines(result)))
    raise typer.Exit(0 if result.balanced else 1)


def _lines(result: balance.Result) -> list[str]:
    counts = [f"{name}: {value}" for name, value in result.counts.items()]
    problems = [f"PROBLEM: {problem}" for problem in result.problems]
    return [*counts, *problems, "the ledger balances" if result.balanced else "the ledger does not balance"]


@app.command("wait")
@report_errors(SendError, wait.LakeIncomplete, wait.TopicRecreated, nessie.NessieUnreachable)
def wait_for_lake(
    receipt: ReceiptUri,
    timeout: Annotated[float, typer.Option(min=0, help="Give up after this many seconds.")] = 900,
) -> None:
    """Wait until raw.clicks and raw.quarantine hold every record that is in Kafka at the start of the command.

    Only what no nightly run has published yet is compared. Offsets that hold no record in Kafka are recorded in landing.offset_gaps.
    """
    settings, started = current_settings(), time.monotonic()
    ends_in_kafka = end_offsets(settings)
    catalog = open_catalog(settings)
    recreations = topic_recreations.recorded(catalog)
    ends = {partition: end + recreations.base(partition) for partition, end in ends_in_kafka.items()}
    starts = dict.fromkeys(ends, 0) | lake_state.published_end_offsets(catalog)
    wait.check_topic(starts, ends)
    records = LakeRecords(catalog, starts, recreations)
    with GapFinder(settings, recreations) as finder:
        completeness = wait.Completeness(records, finder, starts, ends, offset_gaps.recorded(catalog, starts))
        wait.until_complete(completeness.missing_records, timeout, typer.echo)
    # Before the run pins main: it reads them from there.
    offset_gaps.append(catalog, completeness.new_gaps)
    _print_oddities(completeness)
    # JSON has only text keys.
    ends_by_partition = {str(partition): end for partition, end in ends.items()}
    document = Receipt(
        app="wait_for_lake",
        run=run_name(receipt),
        inputs={names.CLICKS_TOPIC: ends_by_partition, names.MAIN: nessie.commit_hash(settings)},
        rows={names.CLICKS_TOPIC: sum(ends.values())},
        facts={"end_offsets": ends_by_partition},
        seconds=round(time.monotonic() - started, 1),
    )
    write_text(settings, receipt, document.to_json())
    typer.echo(f"the lake holds all records of {names.CLICKS_TOPIC} below the end offsets {json.dumps(ends_by_partition)}")


def _print_oddities(completeness: wait.Completeness) -> None:
    for gap in completeness.new_gaps:
        if gap.reason == EXPIRED:
            first, end = gap.offsets
            offsets = f"the offsets {first} to {end - 1} of partition {gap.partition}"
            typer.echo(f"warning: Kafka has deleted {offsets}; the lake has no record of them")
    repeated = completeness.repeated_rows()
    if repeated:
        typer.echo(f"warning: the lake repeats {wait.describe(repeated)}; curate counts each offset once")


if __name__ == "__main__":
    run_app(app)
