"""Writes labelled days of the shop to files: the events in order of arrival, and the labels of attacks."""

from collections.abc import Iterable
from pathlib import Path

import orjson

from tools.shop.encode import Encoder
from tools.shop.labels import LabelFile
from tools.shop.run import batches
from tools.shop.shoppers import Window
from tools.shop.stream import Shop, arrivals


def write(shop: Shop, windows: Iterable[Window], events: Path, labels: Path) -> int:
    """Write the valid events as JSON lines, each with `arrived_ms`, and the labels of attacks; returns the number of events."""
    encoder, count = Encoder(shop.world), 0
    labels.unlink(missing_ok=True)
    with events.open("wb") as event_file, LabelFile(labels) as label_file:
        for rows in arrivals(shop, windows):
            for batch in batches(rows):
                records = encoder.records(batch)
                label_file.write(batch, records.ids)
                for value, arrival in zip(records.values, batch["arrival"].tolist(), strict=True):
                    if value is not None and value.endswith(b"}"):
                        event_file.write(value[:-1] + b',"arrived_ms":' + orjson.dumps(arrival) + b"}\n")
                        count += 1
    return count
