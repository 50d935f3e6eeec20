"""Traces an alert, a score, a release or a model back to its data: rules, receipts, commits and Kafka offsets."""

import json
import re
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.tree import Tree

from clickstream_contracts import names
from clickstream_contracts.receipt import Receipt
from clickstream_contracts.rollout_pointer import in_order
from clickstream_contracts.settings import Settings
from tools.common.command import UsageError, current_settings, new_app, report_errors, run_app
from tools.lake import catalog, nessie
from tools.lake.object_store import list_objects, s3_client

app = new_app(__doc__)
Row = dict[str, Any]
# Ids are put between quotes in a row filter, so nothing else is accepted.
ID = re.compile(r"[\w.:-]+")
SCORE_COLUMNS = ("event_id", "event_type", "event_time", "user_id", "decision", "score", "rule_version", "kafka_partition", "kafka_offset")
MODEL_COLUMNS = ("model_sha256", "uri", "created_at", "data_tag", "data_commit", "seed", "passed")
# Columns of ml.models that hold JSON as text.
MODEL_JSON_COLUMNS = ("parameters", "metrics", "verdict")
PIPE_WIDTH = 250


def read_rows(settings: Settings, table: str, row_filter: str, columns: tuple[str, ...] = ("*",), ref: str = names.MAIN) -> list[Row]:
    """Returns the rows of a table at a ref that match a filter."""
    scan = catalog.open_catalog(settings, ref).load_table(table).scan(row_filter=row_filter, selected_fields=columns)
    return [dict(row) for row in scan.to_arrow().to_pylist()]


def trace_alert(settings: Settings, alert_id: str) -> Row | None:
    """Returns an alert, the event that raised it and the nightly run that published the event; None if there is no such alert."""
    columns = (*SCORE_COLUMNS, "alert_id", "pattern", "entity_type", "entity", "reason")
    alerts = read_rows(settings, "raw.fraud_alerts", f"alert_id = '{alert_id}'", columns)
    return {"alert": alerts[0], **trace_event(settings, alerts[0]["event_id"])} if alerts else None


def trace_score(settings: Settings, event_id: str) -> Row | None:
    """Returns the score of an event and the nightly run that published the event; None if the event was not scored."""
    scores = read_rows(settings, "raw.fraud_scores", f"event_id = '{event_id}'", (*SCORE_COLUMNS, "parts", "patterns", "reasons"))
    return {"score": scores[0], **trace_event(settings, event_id)} if scores else None


def trace_event(settings: Settings, event_id: str) -> Row:
    """Returns the first Kafka offset of an event and the nightly run whose end offsets include it."""
    columns = ("event_id", "kafka_partition", "kafka_offset", "ingested_at")
    copies = read_rows(settings, "raw.clicks", f"event_id = '{event_id}'", columns)
    if not copies:
        return {"event": None}
    first = min(copies, key=lambda row: (row["kafka_partition"], row["kafka_offset"]))
    partition, offset = first["kafka_partition"], first["kafka_offset"]
    published_with = f"kafka_partition = {partition} and start_offset <= {offset} and end_offset > {offset}"
    ledger_rows = read_rows(settings, "curated.ingest_ledger", published_with)
    return {
        "event": {"topic": names.CLICKS_TOPIC, **first},
        "nightly": trace_run(settings, ledger_rows[0]["run"]) if ledger_rows else "not published yet",
    }


def trace_release(settings: Settings, release: str) -> Row | None:
    """Returns a served release: its rollout steps, its model and the model's data; None if there is no such release."""
    steps = [dict(step) for step in in_order(read_rows(settings, "serving.rollout", f"release = '{release}'"))]
    if not steps:
        return None
    model = trace_model(settings, _newest_model(steps)) or {"model": None}
    return {"release": steps[-1], "steps": [_step_summary(step) for step in steps], **model}


def _newest_model(steps: list[Row]) -> str:
    """Returns the sha256 of the candidate of the newest rollout step that has one, or else of its stable model."""
    for step in reversed(steps):
        if step["candidate"] or step["stable"]:
            return str(step["candidate"] or step["stable"])
    return ""


def _step_summary(step: Row) -> str:
    return f"{step['at']:%Y-%m-%d %H:%M:%S} {step['action']}, {step['share']} % of the users: {step['reason'] or 'as planned'}"


def trace_model(settings: Settings, model_sha256: str) -> Row | None:
    """Returns a model, its training run and the features release it was trained on; None if there is no such model."""
    models = read_rows(settings, "ml.models", f"model_sha256 = '{model_sha256}'")
    if not models:
        return None
    model = models[0]
    details = {name: model[name] for name in MODEL_COLUMNS} | {name: json.loads(model[name]) for name in MODEL_JSON_COLUMNS}
    return {"model": details, "training": trace_run(settings, model["run"]), "data": trace_commit(settings, model["data_commit"])}


def trace_commit(settings: Settings, commit: str) -> Row:
    """Returns the run that published a commit of main, and the end offsets of the events published at that commit."""
    ref = f"{names.MAIN}@{commit}"
    end_offsets: dict[int, int] = {}
    for row in read_rows(settings, "curated.ingest_ledger", "end_offset > 0", ("kafka_partition", "end_offset"), ref):
        end_offsets[row["kafka_partition"]] = max(end_offsets.get(row["kafka_partition"], 0), row["end_offset"])
    message = nessie.commits(settings, ref, 1)[0]["message"]
    offsets = {f"{names.CLICKS_TOPIC} {partition}": f"up to {end:,}" for partition, end in sorted(end_offsets.items())}
    # A release is committed as "Release of ... by RUN".
    return {"commit": commit, "message": message, "offsets": offsets, "run": trace_run(settings, message.rpartition(" by ")[2])}


def trace_run(settings: Settings, branch: str) -> Row:
    """Returns a run, named by its branch, with one summary for each receipt that its tasks wrote."""
    prefix, client = names.receipt_prefix(branch), s3_client(settings)
    if not prefix:
        return {"run": branch, "receipts": {}}
    keys = [item.key for item in list_objects(settings, prefix) if item.key.endswith(".json")]
    receipts = {}
    for key in keys:
        body = client.get_object(Bucket=settings.s3_bucket, Key=key)["Body"].read().decode()
        receipts[f"s3://{settings.s3_bucket}/{key}"] = _receipt_summary(Receipt.from_json(body))
    return {"run": branch, "receipts": receipts}


def _receipt_summary(receipt: Receipt) -> str:
    row_counts = ", ".join(f"{table} {count:,}" for table, count in receipt.rows.items())
    return f"{receipt.app}, {receipt.seconds:.0f} s: {receipt.error or row_counts or 'done'}"


def trace_id(settings: Settings, searched_id: str) -> Row:
    """Returns the trace of an id of any kind. Raises UsageError if it is none."""
    for trace_kind in (trace_alert, trace_score, trace_release, trace_model):
        result = trace_kind(settings, searched_id)
        if result is not None:
            return result
    raise UsageError(
        f"{searched_id!r} is no alert, no scored event, no release and no model on {names.MAIN}; an alert is there within a minute"
    )


@app.command()
@report_errors(nessie.NessieUnreachable)
def trace(
    searched_id: Annotated[
        str, typer.Argument(metavar="ID", help="An alert_id, the event_id of a score, a served release, or the sha256 of a model.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Print the rules or model, the data's tag, the receipts and the Kafka offsets behind an alert or a recommendation."""
    if not ID.fullmatch(searched_id):
        raise UsageError(f"{searched_id!r} is not an id: ids consist of letters, digits and . _ - :")
    result = trace_id(current_settings(), searched_id)
    if as_json:
        typer.echo(json.dumps(result, indent=1, default=str))
    else:
        # Piped output is wide enough to keep addresses whole: they are copied into the next command.
        Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(_add_to_tree(Tree(searched_id), result))


def _add_to_tree(tree: Tree, values: Row | list[Any]) -> Tree:
    """Add nested dicts and lists to a tree and return it."""
    if isinstance(values, list):
        for number, value in enumerate(values):
            _add_branch(tree, str(number), value, label=str(value))
    else:
        for name, value in values.items():
            _add_branch(tree, str(name), value, label=f"{name}: {value}")
    return tree


def _add_branch(tree: Tree, name: str, value: Any, label: str) -> None:
    if isinstance(value, dict | list):
        _add_to_tree(tree.add(name), value)
    else:
        tree.add(label)


if __name__ == "__main__":
    run_app(app)
