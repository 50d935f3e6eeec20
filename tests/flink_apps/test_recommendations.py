"""recommendations over a file of views and neighbours: the list after every view is that of the oracle."""

import json
import random
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from clickstream_contracts.covisitation import item_neighbours
from clickstream_contracts.settings import Settings
from flink_apps.recommendations import pipeline
from tests.flink_apps import recommendations_oracle as oracle

STREAM = "recommendations"
Line = dict[str, Any]
EMPTY: Line = dict.fromkeys(("event_id", "event_type", "event_time", "user_id", "product_id", "neighbours"))
START = 1_767_700_000_000
PRODUCTS = [f"p-{n}" for n in range(300)]


def view(number: int, user: str | None, product: str | None, event_type: str = "view_item") -> Line:
    return EMPTY | {
        "event_id": f"e-{number}",
        "event_type": event_type,
        "event_time": START + number,
        "user_id": user,
        "product_id": product,
    }


def neighbours(product: str, weights: dict[str, float] | None, release: str = "r-1") -> Line:
    """A product with its neighbours; None is a tombstone."""
    if weights is None:
        return EMPTY | {"product_id": product}
    items = [{"id": neighbour, "weight": weight} for neighbour, weight in weights.items()]
    return EMPTY | {"product_id": product, "neighbours": json.dumps({"product_id": product, "release": release, "neighbours": items})}


def random_neighbours(rng: random.Random, product: str) -> Line:
    """A product with up to fifty neighbours; the weights are coarse, so that there are ties."""
    chosen = rng.sample(PRODUCTS, rng.randrange(0, 51))
    return neighbours(product, {neighbour: rng.randrange(1, 20) / 16 for neighbour in chosen})


def random_lines(rng: random.Random, count: int) -> list[Line]:
    """Neighbours of most products, then views of few busy and many other users, with changed and removed neighbours between them."""
    lines = [random_neighbours(rng, product) for product in PRODUCTS[:-20]]
    for number in range(count):
        user = f"u-{int(rng.paretovariate(0.6)) % 2000}"
        lines.append(view(number, user, rng.choice(PRODUCTS), rng.choice(["view_item"] * 4 + ["add_to_cart"])))
        if number % 50 == 0:
            lines.append(random_neighbours(rng, rng.choice(PRODUCTS)))
        if number % 200 == 0:
            lines.append(neighbours(rng.choice(PRODUCTS), None))
    return lines


EDGE_CASES = [
    neighbours("a", {"b": 1.0, "c": 1.0, "a": 0.5}, "edge"),
    neighbours("b", {"c": 0.25, "d": 2.0}, "edge"),
    view(100_001, "u-edge", "a"),
    view(100_002, "u-edge", "b"),
    view(100_003, None, "a"),
    view(100_004, "", "a"),
    view(100_005, "u-edge", None),
    view(100_006, "u-nothing", "no such product"),
    neighbours("a", None, "edge"),
    view(100_007, "u-edge", "a"),
    {**neighbours("b", None), "neighbours": "{no JSON"},
    view(100_008, "u-edge", "b"),
]


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    return [*random_lines(random.Random(11), 12_000), *EDGE_CASES]


@pytest.fixture(scope="module")
def lists(lines: list[Line], flink_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> list[Line]:
    """The rows that the job wrote, in order."""
    folder = tmp_path_factory.mktemp("recommendations")
    (folder / "events.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    command = [sys.executable, "-m", "tests.flink_apps.run_recommendations", str(folder / "events.json"), str(folder)]
    process = subprocess.run(command, env=flink_environment, capture_output=True, text=True, timeout=600, check=False)
    assert process.returncode == 0, process.stderr[-3000:]
    files = sorted(folder.glob("lists/part-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def test_every_list_is_that_of_the_oracle_and_they_stay_in_order(lines: list[Line], lists: list[Line]) -> None:
    comparable = [{key: value for key, value in row.items() if key != "updated_at"} for row in lists]
    expected = oracle.expected_lists([line for line in lines if line["neighbours"] != "{no JSON"])
    assert len(expected) > 9_000
    assert comparable == expected


def test_the_lists_of_the_edge_cases(lists: list[Line]) -> None:
    items = {row["event_id"]: row["items"] for row in lists}
    # Equal weights are ordered by id; the viewed product is in the list because it is its own neighbour.
    assert items["e-100001"] == ["b", "c", "a"]
    # d 2.0, c 0.25 + 0.7 x 1.0, b 0.7 x 1.0, a 0.7 x 0.5
    assert items["e-100002"] == ["d", "c", "b", "a"]
    # a has no neighbours any more; b, one view before, gives d 0.7 x 2.0 and c 0.7 x 0.25.
    assert items["e-100007"] == ["d", "c"]
    # Neighbours that are no JSON change nothing.
    assert items["e-100008"] == ["d", "c"]
    assert not {"e-100003", "e-100004", "e-100005", "e-100006"} & set(items)


def test_a_list_holds_the_viewed_products_and_its_time(lists: list[Line]) -> None:
    assert [row["because"] for row in lists if row["event_id"] == "e-100008"] == [["a", "b", "a", "b"]]
    times = [row["updated_at"] for row in lists]
    assert times == sorted(times)
    assert times[0] > START


def test_the_oracle_has_the_parameters_of_the_job() -> None:
    formula = item_neighbours()
    assert (formula.look_back, formula.decay, pipeline.LIST_LENGTH) == (oracle.LOOK_BACK, oracle.DECAY, oracle.LIST_LENGTH)


def test_the_plan_has_two_windows_and_no_join(plan: str) -> None:
    """No Python operator, no join, no aggregate that retracts, nothing that waits for a watermark."""
    assert plan.count("OverAggregate(") == 2
    assert plan.count("TableSourceScan(") == 2
    assert not [word for word in ("Python", "Join", "GroupAggregate", "Rank(", "atermark") if word in plan]


def test_the_statements_hold_no_address() -> None:
    assert "broker.example" not in pipeline.render(Settings(kafka_bootstrap="broker.example:9092"))


def test_the_definition_changes_with_the_options() -> None:
    assert pipeline.STREAM.definition(Settings()) != replace(pipeline.STREAM, options={}).definition(Settings())
