"""Changes the rollout pointer: one step is one row of `serving.rollout`, one commit on main, and a receipt.

Before a step, all checksums of each model of the new pointer are verified. A stable model that the step does not change may be of
another artefact format: the step that replaces it must stay possible after an upgrade.
"""

import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from pyiceberg.exceptions import NoSuchTableError, RESTError

from clickstream_contracts.model_artefact import ArtefactError, IncompatibleArtefact, verify
from clickstream_contracts.receipt import Receipt
from clickstream_contracts.rollout_pointer import TABLE, Pointer
from clickstream_contracts.settings import Settings
from tools.common.command import FAILURE, current_settings, one_line, report_errors
from tools.common.receipt_option import ReceiptUri
from tools.lake.object_store import read_chunks, write_text
from tools.rollout import steps
from tools.rollout.rollout_table import Conflict, RolloutTable, Snapshot
from tools.rollout.steps import RolloutError, Step

# Each conflict is one commit of another rollout or rollback.
ATTEMPTS = 5
Run = Annotated[str, typer.Option(help="Name of the run, kept in the table and in the receipt.")]
Reason = Annotated[str, typer.Option(help="Why, as text.")]
Share = Annotated[int, typer.Option(help="Percent of the users for the candidate.")]
ReleaseOfRun = Annotated[str, typer.Option(help="Name of the release; default: the one that this run started.")]


@report_errors()
def start(
    run: Run,
    release: Annotated[str, typer.Option(help="Name of the release; gets _2, _3 if it was used before.")],
    candidate: Annotated[str, typer.Option(help="sha256 of the model.")],
    receipt: ReceiptUri,
    rule_version: Annotated[str, typer.Option(help="Version of the fraud rules in force.")] = "",
    share: Share = 1,
    reason: Reason = "",
) -> None:
    """Serve a candidate to a share of the users."""
    _run(Step("start", run, release, candidate, share, rule_version, reason), receipt)


@report_errors()
def step(run: Run, share: Share, receipt: ReceiptUri, release: ReleaseOfRun = "", reason: Reason = "") -> None:
    """Change the candidate's share of the users."""
    _run(Step("step", run, release, share=share, reason=reason), receipt)


@report_errors()
def finish(run: Run, receipt: ReceiptUri, release: ReleaseOfRun = "", reason: Reason = "") -> None:
    """Make the candidate the stable model."""
    _run(Step("finish", run, release, reason=reason), receipt)


@report_errors()
def back(run: Run, receipt: ReceiptUri, release: ReleaseOfRun = "", reason: Reason = "") -> None:
    """Remove the candidate of a run; does nothing if it serves nobody or is the stable model by now."""
    _run(Step("back", run, release, reason=reason), receipt)


@report_errors()
def rollback(
    run: Run, release: Annotated[str, typer.Option(help="Name of the earlier release.")], receipt: ReceiptUri, reason: Reason = ""
) -> None:
    """Serve an earlier release again."""
    _run(Step("rollback", run, release, reason=reason), receipt)


def _run(wanted: Step, receipt_uri: str) -> None:
    """Take a step and write its receipt, also for a step that is not possible; exit with 1 then."""
    settings, started = current_settings(), time.monotonic()
    table = RolloutTable(settings)
    try:
        document = take(wanted, table, lambda sha256, pointer: verify_model(settings, table, sha256, pointer))
    except (RolloutError, ArtefactError, RESTError, NoSuchTableError, OSError) as error:
        document = Receipt("rollout", wanted.run, error=one_line(error)[:500])
    finished = Receipt(**{**asdict(document), "seconds": round(time.monotonic() - started, 1)})
    write_text(settings, receipt_uri, finished.to_json())
    typer.echo(finished.error or finished.facts["message"])
    if finished.error:
        raise typer.Exit(FAILURE)


def take(wanted: Step, table: RolloutTable, verify_model: Callable[[str, Pointer], None]) -> Receipt:
    """Take one step, unless it was taken already. Returns the receipt.

    The step is decided again from the new rows when another writer commits first. Raises RolloutError if it is not possible any more.
    """
    read = table.read()
    first_count = len(read.rows)
    for _ in range(ATTEMPTS):
        pointer = steps.next_pointer(wanted, read.rows, table.model)
        if steps.is_done(wanted, read.rows, pointer):
            return _receipt(wanted, table, read, pointer, rows_written=0)
        for sha256 in {pointer.stable, pointer.candidate} - {""}:
            verify_model(sha256, Pointer.newest(read.rows))
        try:
            table.append(_row(wanted, read, pointer), read, commit_message(wanted.action, pointer), wanted.run)
        except Conflict:
            read = table.read()
            steps.check_no_rollback_since(wanted, read.rows, first_count)
            continue
        return _receipt(wanted, table, read, pointer, rows_written=1)
    raise RolloutError(f"{TABLE}: other writers committed first, {ATTEMPTS} times in a row: repeat the step")


def verify_model(settings: Settings, table: RolloutTable, sha256: str, pointer: Pointer) -> None:
    """Verify a model of the new pointer. Raises ArtefactError if it cannot serve, unless it is the stable model already."""
    folder = table.model(sha256)["uri"]
    try:
        verify(lambda name: read_chunks(settings, f"{folder}/{name}"), folder, sha256)
    except OSError as error:
        raise ArtefactError(f"{folder}: cannot be read: {one_line(error)}") from None
    except IncompatibleArtefact as error:
        if sha256 != pointer.stable:
            raise
        typer.echo(f"stable model {sha256[:12]} stays although new replicas cannot load it: {error}", err=True)


def commit_message(action: str, pointer: Pointer) -> str:
    """The message of the commit on main; the commit of a release is searched by it."""
    return f"Rollout: {action} of {pointer.release or 'no release'}"


def _row(wanted: Step, read: Snapshot, pointer: Pointer) -> dict[str, Any]:
    number = max((row.get("number") or 0 for row in read.rows), default=0) + 1
    step_fields = {"action": wanted.action, "reason": wanted.reason, "run": wanted.run}
    return {**asdict(pointer), **step_fields, "at": datetime.now(UTC), "number": number}


def _receipt(wanted: Step, table: RolloutTable, read: Snapshot, pointer: Pointer, rows_written: int) -> Receipt:
    return Receipt(
        app="rollout",
        run=wanted.run,
        inputs={TABLE: Pointer.newest(read.rows).release},
        outputs={TABLE: table.metadata_location()},
        rows={TABLE: rows_written},
        facts={**asdict(pointer), "action": wanted.action, "message": commit_message(wanted.action, pointer)},
    )
