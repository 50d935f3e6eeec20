"""Publishes the item neighbours of a features release to the compacted topic that the stream `recommendations` reads.

A product that the release no longer has gets a tombstone. Only changed values are written, so a second run writes nothing.
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
from tools.common.command import UsageError, current_settings, new_app, report_errors, run_app
from tools.common.receipt_option import ReceiptUri, run_name
from tools.kafka import compacted
from tools.kafka.client import SendError
from tools.lake import catalog
from tools.lake.object_store import write_text

TABLE = "features.item_neighbours"
ORDER = [("product_id", "ascending"), ("position", "ascending")]
app = new_app(__doc__)


@app.command()
@report_errors(SendError, KafkaException)
def publish(ref: Annotated[str, typer.Option(help="The features release: a tag, or branch@commit.")], receipt: ReceiptUri) -> None:
    """Make the topic hold exactly the neighbours of a features release."""
    settings, started = current_settings(), time.monotonic()
    table = catalog.open_catalog(settings, ref).load_table(TABLE)
    values = dict(topic_values(table.scan().to_arrow(), ref))
    if not values:
        raise UsageError(f"--ref {ref!r}: {TABLE} has no rows at that ref; the topic was not changed")
    counts = synchronize(settings, values)
    document = Receipt(
        app="item_neighbours",
        run=run_name(receipt),
        inputs={TABLE: ref},
        outputs={TABLE: table.metadata_location},
        rows={names.ITEM_NEIGHBOURS_TOPIC: len(values)},
        facts=counts,
        seconds=round(time.monotonic() - started, 1),
    )
    write_text(settings, receipt, document.to_json())
    typer.echo(f"{names.ITEM_NEIGHBOURS_TOPIC} holds the neighbours of {len(values):,} products of {ref}")


def topic_values(rows: pa.Table, release: str) -> Iterator[tuple[str, bytes]]:
    """Yields each product with its JSON value in the topic: the neighbours, the nearest first."""
    ordered = rows.select(["product_id", "position", "neighbour_id", "weight"]).sort_by(ORDER).to_pylist()
    for product, product_rows in groupby(ordered, itemgetter("product_id")):
        neighbours = [{"id": row["neighbour_id"], "weight": row["weight"]} for row in product_rows]
        value = {"product_id": product, "release": release, "neighbours": neighbours}
        yield product, json.dumps(value, separators=(",", ":")).encode()


def synchronize(settings: Settings, values: dict[str, bytes]) -> dict[str, int]:
    """Write what differs between the topic and `values`; returns how many products were written and how many removed."""
    current = compacted.read(settings, names.ITEM_NEIGHBOURS_TOPIC)
    changed: dict[str, bytes | None] = {product: value for product, value in values.items() if current.get(product) != value}
    removed: dict[str, bytes | None] = dict.fromkeys(current.keys() - values.keys())
    typer.echo(f"{len(current):,} products in the topic; {len(changed):,} to write, {len(removed):,} to remove")
    compacted.write(settings, names.ITEM_NEIGHBOURS_TOPIC, changed | removed, typer.echo)
    return {"written": len(changed), "removed": len(removed)}


if __name__ == "__main__":
    run_app(app)
