"""Publishes the neighbours of a release to the compacted topic that the stream of recommendations reads.

Products that the release no longer has get a tombstone. What the topic holds already is left alone, so a second run writes nothing.
"""

import json
import time
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Annotated

import pyarrow as pa
import typer
from confluent_kafka import KafkaException

from clickstream_contracts import names
from clickstream_contracts.receipt import Receipt
from clickstream_contracts.settings import Settings
from tools.common.command import UsageError, current_settings, errors_in_one_line, run_app
from tools.kafka import compacted
from tools.kafka.producer import SendError
from tools.lake import catalog as lake
from tools.lake.object_store import write_text

TABLE = "features.item_neighbours"
BY_PRODUCT = [("product_id", "ascending"), ("position", "ascending")]
app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=False)


@app.command()
@errors_in_one_line(SendError, KafkaException)
def publish(
    ref: Annotated[str, typer.Option(help="The release: a tag, or a branch@commit.")],
    receipt: Annotated[str, typer.Option(help="Where the receipt goes, s3://... or file://...")],
) -> None:
    """Make the topic hold exactly the neighbours of a release."""
    settings, started = current_settings(), time.monotonic()
    if not receipt.startswith(("s3://", "file:///")):
        raise UsageError(f"--receipt {receipt!r}: give an address like s3://lake/receipts/neighbours.json or file:///tmp/neighbours.json")
    found = lake.catalog(settings, ref).load_table(TABLE)
    wanted = dict(values(found.scan().to_arrow(), ref))
    if not wanted:
        raise UsageError(f"--ref {ref!r}: {TABLE} is empty there; the topic stays as it is")
    written = make(settings, wanted)
    note = Receipt(
        app="tools.neighbours",
        run=receipt.rsplit("/", 2)[-2],
        inputs={TABLE: ref},
        outputs={TABLE: found.metadata_location},
        rows={names.ITEM_NEIGHBOURS_TOPIC: len(wanted)},
        facts=written,
        seconds=round(time.monotonic() - started, 1),
    )
    write_text(settings, receipt, note.to_json())
    typer.echo(f"{names.ITEM_NEIGHBOURS_TOPIC} holds the neighbours of {len(wanted):,} products as of {ref}")


def values(rows: pa.Table, release: str) -> Iterator[tuple[str, bytes]]:
    """Each product with the value that the topic shall hold for it: its neighbours, the nearest first."""
    ordered = rows.select(["product_id", "position", "neighbour_id", "weight"]).sort_by(BY_PRODUCT).to_pylist()
    for product, near in groupby(ordered, itemgetter("product_id")):
        listed = [{"id": one["neighbour_id"], "weight": one["weight"]} for one in near]
        yield product, json.dumps({"product_id": product, "release": release, "neighbours": listed}, separators=(",", ":")).encode()


def make(settings: Settings, wanted: dict[str, bytes]) -> dict[str, int]:
    """Bring the topic to what is wanted; returns how many products were written, how many taken away."""
    held = compacted.read(settings, names.ITEM_NEIGHBOURS_TOPIC)
    changed: dict[str, bytes | None] = {product: value for product, value in wanted.items() if held.get(product) != value}
    gone: dict[str, bytes | None] = dict.fromkeys(held.keys() - wanted.keys())
    typer.echo(f"{len(held):,} products held; {len(changed):,} to write, {len(gone):,} to take away")
    compacted.write(settings, names.ITEM_NEIGHBOURS_TOPIC, changed | gone, typer.echo)
    return {"written": len(changed), "taken_away": len(gone)}


if __name__ == "__main__":
    run_app(app)
