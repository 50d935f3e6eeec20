"""Erase one user from the lake."""

import json
import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from clickstream_contracts.receipt import Receipt
from tools.common.command import UsageError, current_settings, new_app, report_errors, run_app
from tools.common.receipt_option import OptionalReceiptUri, run_name
from tools.erasure import erasure, kafka, progress, tags
from tools.erasure.files import ErasureError
from tools.erasure.identity import Identity
from tools.kafka.client import SendError
from tools.lake import nessie
from tools.lake.object_store import write_text

app = new_app(__doc__)


@app.command()
@report_errors(ErasureError, SendError, nessie.NessieUnreachable)
def erase(
    user: Annotated[str, typer.Option(help="The user_id.")],
    reason: Annotated[str, typer.Option(help="Why, for the certificate; without the id.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be erased; change nothing.")] = False,
    at_once: Annotated[
        bool, typer.Option("--now", help="Delete the old files at once; a run that reads an earlier commit of main fails.")
    ] = False,
    without_kafka: Annotated[bool, typer.Option("--without-kafka", help="Leave Kafka alone, e.g. where a lake has none any more.")] = False,
    receipt: OptionalReceiptUri = "",
) -> None:
    """Delete a user's rows, and those of devices that no other user has, on main and behind tags; print a certificate."""
    settings, started, now = current_settings(), time.monotonic(), datetime.now(UTC)
    if not user.strip():
        raise UsageError("--user is empty")
    if Identity(user).named_in(reason):
        raise UsageError("--reason names the user: the certificate must not")
    topics = {} if without_kafka else kafka.until(settings, now)
    planned = erasure.plan(settings, user, tags.policy())
    facts: dict[str, object] = {"applied": not dry_run, "subject": progress.subject(user)}
    rows: dict[str, int] = {}
    if planned.is_empty:
        typer.echo("nothing to do: no row of the user is left")
        if at_once and not dry_run:
            facts["deleted"] = erasure.delete_old_files(settings, now)
            typer.echo(f"deleted at once: {facts['deleted']}")
    elif dry_run:
        _print(planned)
    else:
        if not without_kafka:
            kafka.remove_recommendations(settings, user)
        done = erasure.erase(settings, planned, now, at_once=at_once, report=lambda text: typer.echo(text, err=True))
        document = erasure.certificate(settings, planned, done, topics, reason, at_once)
        facts |= {"certificate": erasure.save_certificate(settings, document), "remaining": document["remaining"]}
        progress.clear(settings, user)
        rows = {name: counts["rows"] for name, counts in done.tables.items()}
        typer.echo(json.dumps(document, indent=1))
    if receipt:
        seconds = round(time.monotonic() - started, 1)
        write_text(settings, receipt, Receipt(app="erasure", run=run_name(receipt), rows=rows, facts=facts, seconds=seconds).to_json())


def _print(planned: erasure.Plan) -> None:
    for name, user_rows in planned.tables.items():
        if user_rows.files:
            typer.echo(f"{name}: would have erased {len(user_rows.rows):,} rows of {len(user_rows.files)} files")
    for each in planned.tagged:
        label = ", ".join(tag.name for tag in each.tags) or f"the data of a model at {each.commit}"
        typer.echo(f"{label}: would {each.action} {sum(each.tables.values()):,} rows")


if __name__ == "__main__":
    run_app(app)
