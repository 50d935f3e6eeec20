"""A second, slow implementation of recommendations: the expected list after each view."""

import json
from collections import defaultdict, deque
from typing import Any

LOOK_BACK, DECAY, LIST_LENGTH = 10, 0.7, 20


def expected_lists(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the list after each view that has one, in order. Lines are views, or a product with its neighbours as JSON."""
    neighbours: dict[str, list[tuple[str, float]]] = {}
    viewed: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=LOOK_BACK))
    lists = []
    for line in lines:
        if line["event_id"] is None:
            update_neighbours(neighbours, line["product_id"], line["neighbours"])
        elif line["event_type"] == "view_item" and line["user_id"] and line["product_id"] and line["event_time"] is not None:
            viewed[line["user_id"]].append(line["product_id"])
            if items := highest_scores(neighbours, list(viewed[line["user_id"]])):
                view = {key: line[key] for key in ("user_id", "event_id", "event_time")}
                lists.append({**view, "items": items, "because": list(viewed[line["user_id"]])})
    return lists


def update_neighbours(neighbours: dict[str, list[tuple[str, float]]], product: str, value: str | None) -> None:
    neighbours.pop(product, None)
    if value is not None:
        neighbours[product] = [(item["id"], item["weight"]) for item in json.loads(value)["neighbours"]]


def highest_scores(neighbours: dict[str, list[tuple[str, float]]], viewed: list[str]) -> list[str]:
    scores: dict[str, float] = defaultdict(float)
    view_weight = 1.0
    for product in reversed(viewed):
        for candidate, weight in neighbours.get(product, []):
            scores[candidate] += view_weight * weight
        view_weight *= DECAY
    return sorted(scores, key=lambda candidate: (-scores[candidate], candidate))[:LIST_LENGTH]
