"""Reads the made-up files of `samples/` with a mapping, as replay does before it sends their events."""

import json
from pathlib import Path
from typing import Any

import yaml

from tools.replay import mapping as mappings
from tools.replay import sources
from tools.replay.events import Mapped, Products, Rejected, derive_sessions, map_lines
from tools.replay.order_lines import Orders

SAMPLES = Path(__file__).parent / "samples"
Event = dict[str, Any]
START = 1762160400000  # 2025-11-03 09:00:00 UTC, when the made-up files begin

# The fields of a simple log; tests change some of them.
LOG: dict[str, Any] = {
    "event_time": "at",
    "event_type": "type",
    "session_id": {"from": "session", "optional": True},
    "user_id": {"from": "user", "optional": True},
    "device_id": {"from": "device", "optional": True},
    "product_id": {"from": "product", "optional": True},
    "order_id": {"from": "order", "optional": True},
    "quantity": {"from": "quantity", "optional": True},
    "price": {"from": "price", "optional": True},
    "currency": {"from": "currency", "optional": True},
    "coupon": {"from": "coupon", "optional": True},
    "search_query": {"from": "query", "optional": True},
}
# The same with a list of products and the value of the whole order.
BASKET = LOG | {
    "product_id": {"from": "item.sku", "optional": True},
    "quantity": {"from": "item.n", "optional": True},
    "price": {"from": "item.price", "without_each": "value", "optional": True},
}


class Replayed:
    """The events of a file, its rejected lines, its product states and what is known of its orders."""

    def __init__(self, path: Path, mapping: str) -> None:
        rules, self.products, self.orders = mappings.load(mapping), Products(), Orders()
        rules.require_columns(sources.columns(path, rules.reading), str(path))
        rules.require_lists(sources.read(path, rules.reading), str(path))
        sessions = derive_sessions(sources.read(path, rules.reading), rules) if rules.derives_sessions else None
        results = list(map_lines(sources.read(path, rules.reading), rules, sessions, self.products, self.orders))
        self.lines = len(results)
        self.rejected = [result for result in results if isinstance(result, Rejected)]
        self.events_by_line = [result.events for result in results if isinstance(result, Mapped)]
        self.events = [event for events in self.events_by_line for event in events]

    def columns(self, *names: str) -> list[tuple[Any, ...]]:
        """Returns the values of the named fields of each event, None for a field that it has not."""
        return [tuple(event.get(name) for name in names) for event in self.events]

    def reasons(self) -> list[tuple[int, str]]:
        """Returns the number and the message of each rejected line."""
        return [(result.line.number, result.message) for result in self.rejected]

    def net(self, currency: str = "EUR") -> float:
        """Returns purchases less refunds in a currency, each order line once."""
        lines = {event["event_id"]: event for event in self.events if event.get("currency") == currency}
        signs = {"purchase": 1, "refund": -1}
        return round(float(sum(signs.get(e["event_type"], 0) * e.get("price", 0) * e.get("quantity", 1) for e in lines.values())), 4)


def jsonl(path: Path, *lines: Event) -> Path:
    """Write lines of JSON."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def without(event: dict[str, Any], *fields: str) -> dict[str, Any]:
    """Returns an event without some fields."""
    return {name: value for name, value in event.items() if name not in fields}


def own_mapping(folder: Path, **content: Any) -> str:
    """Write a mapping, and return its path."""
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return str(path)


def purchase(**values: Any) -> Event:
    """Returns a line of the log: a purchase of one product, with some values changed."""
    return {
        "at": "2025-11-03T09:00:00Z", "type": "purchase", "session": "s-1", "order": "O-1", "product": "p-1", "quantity": 1, "price": 5,
        "currency": "EUR",
    } | values  # fmt: skip


def replay_lines(folder: Path, *lines: Event, fields: dict[str, Any] = LOG, **content: Any) -> Replayed:
    """Read lines with a mapping of its own."""
    return Replayed(jsonl(folder / "log.jsonl", *lines), own_mapping(folder, fields=fields, **content))
