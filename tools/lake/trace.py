"""From an alert, a score, a release or a model to all that stands behind it. `python -m tools.lake.trace --help`."""

import json
import re
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.tree import Tree

from clickstream_contracts import names
from clickstream_contracts.receipt import Receipt
from clickstream_contracts.settings import Settings
from tools.common.command import UsageError, current_settings, errors_in_one_line, run_app
from tools.lake import catalog as lake
from tools.lake import refs

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=False)
Found = dict[str, Any]
# What may stand between quotes in a filter.
ID = re.compile(r"[\w.:-]+")
JUDGED = ("event_id", "event_type", "event_time", "user_id", "decision", "score", "rule_version", "kafka_partition", "kafka_offset")


def rows(settings: Settings, table: str, where: str, columns: tuple[str, ...] = ("*",), ref: str = names.MAIN) -> list[Found]:
    """A table's rows at a ref."""
    found = lake.catalog(settings, ref).load_table(table).scan(row_filter=where, selected_fields=columns)
    return [dict(row) for row in found.to_arrow().to_pylist()]


def of_alert(settings: Settings, sought: str) -> Found | None:
    """An alert, the event that raised it, and the night that published that event."""
    columns = (*JUDGED, "alert_id", "pattern", "entity_type", "entity", "reason")
    alerts = rows(settings, "raw.fraud_alerts", f"alert_id = '{sought}'", columns)
    return {"alert": alerts[0], **of_event(settings, alerts[0]["event_id"])} if alerts else None


def of_score(settings: Settings, sought: str) -> Found | None:
    """A score, its event, and the night that published that event."""
    scores = rows(settings, "raw.fraud_scores", f"event_id = '{sought}'", (*JUDGED, "parts", "patterns", "reasons"))
    return {"score": scores[0], **of_event(settings, sought)} if scores else None


def of_event(settings: Settings, event_id: str) -> Found:
    """Where an event is in Kafka, and the night that took it."""
    places = rows(settings, "raw.clicks", f"event_id = '{event_id}'", ("event_id", "kafka_partition", "kafka_offset", "ingested_at"))
    if not places:
        return {"event": None}
    first = min(places, key=lambda place: (place["kafka_partition"], place["kafka_offset"]))
    partition, offset = first["kafka_partition"], first["kafka_offset"]
    taken = f"kafka_partition = {partition} and start_offset <= {offset} and end_offset > {offset}"
    nights = rows(settings, "curated.ingest_ledger", taken)
    return {"event": {"topic": names.CLICKS_TOPIC, **first}, "night": of_run(settings, nights[0]["run"]) if nights else "not published yet"}


def of_release(settings: Settings, sought: str) -> Found | None:
    """A release as an answer names it: its steps, its model, and the data behind that."""
    steps = sorted(rows(settings, "serving.rollout", f"release = '{sought}'"), key=lambda step: step["at"])
    if not steps:
        return None
    sha256 = next((step[arm] for step in reversed(steps) for arm in ("candidate", "stable") if step[arm]), "")
    return {"release": steps[-1], "steps": [_step(step) for step in steps], **(of_model(settings, sha256) or {"model": None})}


def _step(step: Found) -> str:
    return f"{step['at']:%Y-%m-%d %H:%M:%S} {step['action']}, {step['share']} % of the users: {step['reason'] or 'as planned'}"


def of_model(settings: Settings, sought: str) -> Found | None:
    """A model: its training, and the release of the features that it learned from."""
    models = rows(settings, "ml.models", f"model_sha256 = '{sought}'")
    if not models:
        return None
    model = models[0]
    texts = {name: json.loads(model[name]) for name in ("parameters", "metrics", "verdict")}
    about = {name: model[name] for name in ("model_sha256", "uri", "created_at", "data_tag", "data_commit", "seed", "passed")}
    return {"model": about | texts, "training": of_run(settings, model["run"]), "data": of_data(settings, model["data_commit"])}


def of_data(settings: Settings, commit: str) -> Found:
    """The run that published a commit, and the Kafka offsets that the lake held there."""
    at = f"{names.MAIN}@{commit}"
    ends: dict[int, int] = {}
    for row in rows(settings, "curated.ingest_ledger", "end_offset > 0", ("kafka_partition", "end_offset"), at):
        ends[row["kafka_partition"]] = max(ends.get(row["kafka_partition"], 0), row["end_offset"])
    message = refs.nessie("GET", f"trees/{at}/history", params={"max-records": 1})["logEntries"][0]["commitMeta"]["message"]
    offsets = {f"{names.CLICKS_TOPIC} {partition}": f"up to {end:,}" for partition, end in sorted(ends.items())}
    return {"commit": commit, "message": message, "offsets": offsets, "run": of_run(settings, message.rpartition(" by ")[2])}


def of_run(settings: Settings, run: str) -> Found:
    """A run by its branch: the receipts that its tasks left."""
    prefix, store = names.receipt_prefix(run), lake.s3_client(settings)
    pages = store.get_paginator("list_objects_v2").paginate(Bucket=settings.s3_bucket, Prefix=prefix)
    keys = [i["Key"] for page in pages for i in page.get("Contents", ()) if i["Key"].endswith(".json")] if prefix else []
    bodies = {key: store.get_object(Bucket=settings.s3_bucket, Key=key)["Body"].read().decode() for key in keys}
    return {"run": run, "receipts": {f"s3://{settings.s3_bucket}/{key}": _account(body) for key, body in bodies.items()}}


def _account(body: str) -> str:
    receipt = Receipt.from_json(body)
    return f"{receipt.app}, {receipt.seconds:.0f} s: {receipt.error or ', '.join(f'{n} {c:,}' for n, c in receipt.rows.items()) or 'done'}"


KINDS: tuple[Callable[[Settings, str], Found | None], ...] = (of_alert, of_score, of_release, of_model)


@app.command()
@errors_in_one_line()
def why(
    sought: Annotated[
        str, typer.Argument(metavar="ID", help="An alert_id, the event_id of a score, an answer's release, or a model's sha256.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show rules or model, the data's tag, the receipts and the Kafka offsets behind one answer or one alert."""
    if not ID.fullmatch(sought):
        raise UsageError(f"{sought!r} is no id: ids are letters, digits and . _ - :")
    settings = current_settings()
    found = next((answer for kind in KINDS if (answer := kind(settings, sought))), None)
    if found is None:
        raise UsageError(f"{sought!r} is no alert, no scored event, no release and no model on main; an alert reaches main within a minute")
    if as_json:
        typer.echo(json.dumps(found, indent=1, default=str))
    else:
        # Piped output is as wide as the addresses in it: they are for copying.
        Console(width=None if sys.stdout.isatty() else 250).print(_grown(Tree(sought), found))


def _grown(tree: Tree, found: Any) -> Tree:
    """A tree of what was found."""
    for name, value in found.items() if isinstance(found, dict) else enumerate(found):
        if isinstance(value, dict | list):
            _grown(tree.add(str(name)), value)
        else:
            tree.add(str(value) if isinstance(found, list) else f"{name}: {value}")
    return tree


if __name__ == "__main__":
    run_app(app)
