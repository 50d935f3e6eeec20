"""What recommendations must answer to each view, by hand: all neighbours of the last ten views, weighed and put in order."""

import json
from collections import defaultdict, deque
from typing import Any

VIEWS, DECAY, LENGTH = 10, 0.7, 20


def lists(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """In order, the list after each view that has one. Lines are views, or a product's neighbours as JSON."""
    neighbours: dict[str, list[tuple[str, float]]] = {}
    viewed: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=VIEWS))
    made = []
    for line in lines:
        if line["event_id"] is None:
            learn(neighbours, line["product_id"], line["neighbours"])
        elif line["event_type"] == "view_item" and line["user_id"] and line["product_id"] and line["event_time"] is not None:
            viewed[line["user_id"]].append(line["product_id"])
            if items := best(neighbours, list(viewed[line["user_id"]])):
                said = {key: line[key] for key in ("user_id", "event_id", "event_time")}
                made.append({**said, "items": items, "because": list(viewed[line["user_id"]])})
    return made


def learn(neighbours: dict[str, list[tuple[str, float]]], product: str, value: str | None) -> None:
    neighbours.pop(product, None)
    if value is not None:
        neighbours[product] = [(one["id"], one["weight"]) for one in json.loads(value)["neighbours"]]


def best(neighbours: dict[str, list[tuple[str, float]]], viewed: list[str]) -> list[str]:
    scores: dict[str, float] = defaultdict(float)
    share = 1.0
    for product in reversed(viewed):
        for candidate, weight in neighbours.get(product, []):
            scores[candidate] += share * weight
        share *= DECAY
    return sorted(scores, key=lambda candidate: (-scores[candidate], candidate))[:LENGTH]
