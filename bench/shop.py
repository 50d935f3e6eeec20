"""Measures how many simulated events one core generates and encodes per second, with and without simulated faults."""

import time
from datetime import date
from typing import Any

from tools.shop import stream
from tools.shop.encode import Encoder
from tools.shop.faults import Faults
from tools.shop.run import batches
from tools.shop.world import World

EVENTS = 300_000


def measure() -> dict[str, Any]:
    """Returns events per CPU-second, encoded for Kafka: with the default faults, and with none."""
    return {name: rate(faults) for name, faults in (("with_faults", Faults()), ("without_faults", Faults(0, 0, 0, 0)))}


def rate(faults: Faults) -> int:
    """Returns the events per CPU-second of one process."""
    shop = stream.Shop(World(7, 50_000, 10_000), faults)
    encoder = Encoder(shop.world)
    begin, count = time.process_time(), 0
    for rows in stream.arrivals(shop, stream.days(date(2026, 1, 2), 1, EVENTS)):
        for batch in batches(rows):
            encoder.records(batch)
            count += len(batch)
    return round(count / (time.process_time() - begin))
