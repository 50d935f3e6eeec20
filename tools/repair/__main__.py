"""Ways on when a nightly run is blocked. Each repair is recorded as data, and nothing is deleted."""

from typing import Annotated, Any

import typer

from clickstream_contracts import schema
from tools.common.command import UsageError, current_settings, new_app, report_errors, run_app
from tools.kafka.client import SendError
from tools.kafka.reader import end_offsets
from tools.lake import nessie
from tools.lake.catalog import open_catalog
from tools.lake.refs import print_table
from tools.ledger import lake_state, offset_gaps, topic_recreations, wait
from tools.ledger.kafka_gaps import GapFinder
from tools.ledger.lake_records import LakeRecords
from tools.repair import decisions, quarantine, topic
from tools.repair.quarantine import Selection

app = new_app(__doc__)
REASONS = schema.tables()["raw.quarantine"].field("reason").choices

Reason = Annotated[str, typer.Option(help="Why these records may be missing in the published tables; kept with the decision.")]
OnlyReason = Annotated[str | None, typer.Option(help=f"Only records with this reason: {', '.join(REASONS)}.")]
OnlyType = Annotated[str | None, typer.Option(help="Only records whose payload names this event_type; '' for those that name none.")]
OnlyProducer = Annotated[str | None, typer.Option(help="Only records whose payload names this producer; '' for those that name none.")]


@app.command()
@report_errors(nessie.NessieUnreachable)
def status() -> None:
    """List what is in quarantine and not published yet, and all decisions."""
    catalog = open_catalog(current_settings())
    groups = quarantine.groups(quarantine.unpublished(catalog, lake_state.published_end_offsets(catalog)))
    rows = [[str(count), reason, event_type or "-", producer or "-"] for (reason, event_type, producer), count in groups.most_common()]
    print_table("in quarantine, not published", ["records", "reason", "event type", "producer"], rows)
    columns = ["decision", "time", "by", "partition", "offsets", "only", "reason"]
    print_table("decisions", columns, [_decision_row(row) for row in decisions.recorded(catalog)])


def _decision_row(row: dict[str, Any]) -> list[str]:
    only = [f"{name}={row[name]!r}" for name in ("quarantine_reason", "event_type", "producer") if row[name] is not None]
    offsets = f"{row['start_offset']}-{row['end_offset'] - 1}"
    time = f"{row['decided_at']:%Y-%m-%d %H:%M}"
    return [row["decision_id"], time, row["decided_by"], str(row["kafka_partition"]), offsets, " ".join(only), row["reason"]]


@app.command()
@report_errors(nessie.NessieUnreachable)
def accept(
    reason: Reason,
    quarantine_reason: OnlyReason = None,
    event_type: OnlyType = None,
    producer: OnlyProducer = None,
) -> None:
    """Let the next nightly run publish without the records that are in quarantine now. The records stay in raw.quarantine."""
    if not reason.strip():
        raise UsageError("--reason is empty: say why these records may be missing, for whoever asks later")
    if quarantine_reason is not None and quarantine_reason not in REASONS:
        raise UsageError(f"--quarantine-reason {quarantine_reason!r} is unknown: use one of {', '.join(REASONS)}")
    catalog = open_catalog(current_settings())
    selection = Selection(quarantine_reason, event_type, producer)
    accepted = decisions.accepted(quarantine.unpublished(catalog, lake_state.published_end_offsets(catalog)), selection)
    if not accepted.records:
        raise UsageError("no record in quarantine matches that is not published yet: `./clickstream repair status` lists them")
    decision = decisions.record(catalog, accepted, selection, reason.strip())
    typer.echo(f"decision {decision}: {accepted.records} records are accepted; start the nightly run again")


@app.command()
@report_errors(SendError, nessie.NessieUnreachable)
def gaps() -> None:
    """Record the offsets below the newest record of the lake that hold no record in Kafka; exit 1 if records are missing in the lake."""
    settings = current_settings()
    catalog = open_catalog(settings)
    recreations = topic_recreations.recorded(catalog)
    starts = dict.fromkeys(end_offsets(settings), 0) | lake_state.published_end_offsets(catalog)
    records = LakeRecords(catalog, starts, recreations)
    records.refresh()
    ends = {partition: ranges[-1][1] for partition in starts if (ranges := records.ranges(partition))}
    with GapFinder(settings, recreations) as finder:
        completeness = wait.Completeness(records, finder, starts, ends, offset_gaps.recorded(catalog, starts))
        missing = completeness.missing_records()
    offset_gaps.append(catalog, completeness.new_gaps)
    for gap in completeness.new_gaps:
        first, end = gap.offsets
        typer.echo(f"partition {gap.partition}: offsets {first} to {end - 1} hold no record ({gap.reason})")
    if missing:
        typer.echo(
            f"error: the lake lacks {wait.describe(missing)}, which Kafka still has: restore the newest checkpoint of clicks_to_lake",
            err=True,
        )
        raise typer.Exit(1)
    typer.echo(f"{len(completeness.new_gaps)} gaps recorded; the lake lacks no record below its newest one")


@app.command("topic")
@report_errors(SendError, nessie.NessieUnreachable)
def continue_topic() -> None:
    """Continue the offsets of the lake after the topic clicks.v1 was created again, so that the nightly run goes on."""
    settings = current_settings()
    catalog = open_catalog(settings)
    known = topic_recreations.recorded(catalog)
    recreations = topic.recreation(settings, catalog, lake_state.published_end_offsets(catalog), known)
    topic_recreations.append(catalog, recreations)
    for item in recreations:
        typer.echo(f"partition {item.partition}: records from {item.started_at:%Y-%m-%d %H:%M:%S} on continue at offset {item.base}")
    typer.echo("if clicks_to_lake did not run when the topic was created again, trigger clickstream_streams with start fresh")


if __name__ == "__main__":
    run_app(app)
