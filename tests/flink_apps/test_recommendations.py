"""recommendations over a file of views and neighbours: after every view, the list is the oracle's."""

import json
import random
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from clickstream_contracts.settings import Settings
from flink_apps.recommendations import APP, DECAY, LENGTH, VIEWS, render
from tests.flink_apps import recommendations_oracle as oracle

STREAM = "recommendations"
Line = dict[str, Any]
EMPTY: Line = dict.fromkeys(("event_id", "event_type", "event_time", "user_id", "product_id", "neighbours"))
START = 1_767_700_000_000
PRODUCTS = [f"p-{n}" for n in range(300)]


def view(number: int, user: str | None, product: str | None, kind: str = "view_item") -> Line:
    return EMPTY | {"event_id": f"e-{number}", "event_type": kind, "event_time": START + number, "user_id": user, "product_id": product}


def release(product: str, weights: dict[str, float] | None, name: str = "r-1") -> Line:
    near = None if weights is None else [{"id": one, "weight": weight} for one, weight in weights.items()]
    value = None if near is None else json.dumps({"product_id": product, "release": name, "neighbours": near})
    return EMPTY | {"product_id": product, "neighbours": value}


def random_release(chance: random.Random, product: str) -> Line:
    """Up to fifty neighbours; coarse weights, so that there are ties."""
    near = chance.sample(PRODUCTS, chance.randrange(0, 51))
    return release(product, {one: chance.randrange(1, 20) / 16 for one in near})


def day(chance: random.Random, count: int) -> list[Line]:
    """A first release, then views of a few busy users and many others, with products released anew and dropped between them."""
    lines = [random_release(chance, product) for product in PRODUCTS[:-20]]
    for number in range(count):
        user = f"u-{int(chance.paretovariate(0.6)) % 2000}"
        lines.append(view(number, user, chance.choice(PRODUCTS), chance.choice(["view_item"] * 4 + ["add_to_cart"])))
        if number % 50 == 0:
            lines.append(random_release(chance, chance.choice(PRODUCTS)))
        if number % 200 == 0:
            lines.append(release(chance.choice(PRODUCTS), None))
    return lines


EDGES = [
    release("a", {"b": 1.0, "c": 1.0, "a": 0.5}, "edge"),
    release("b", {"c": 0.25, "d": 2.0}, "edge"),
    view(100_001, "u-edge", "a"),
    view(100_002, "u-edge", "b"),
    view(100_003, None, "a"),
    view(100_004, "", "a"),
    view(100_005, "u-edge", None),
    view(100_006, "u-nothing", "no such product"),
    release("a", None, "edge"),
    view(100_007, "u-edge", "a"),
    {**release("b", None), "neighbours": "{torn"},
    view(100_008, "u-edge", "b"),
]


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    return [*day(random.Random(11), 12_000), *EDGES]


@pytest.fixture(scope="module")
def made(lines: list[Line], flink_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> list[Line]:
    """What the job wrote, in order."""
    folder = tmp_path_factory.mktemp("recommendations")
    (folder / "events.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    command = [sys.executable, "-m", "tests.flink_apps.run_recommendations", str(folder / "events.json"), str(folder)]
    done = subprocess.run(command, env=flink_environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    files = sorted(folder.glob("lists/part-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def test_every_list_is_the_oracles_and_none_overtakes_another(lines: list[Line], made: list[Line]) -> None:
    said = [{key: value for key, value in one.items() if key != "updated_at"} for one in made]
    expected = oracle.lists([line for line in lines if line["neighbours"] != "{torn"])
    assert len(expected) > 9_000
    assert said == expected


def test_known_lists(made: list[Line]) -> None:
    items = {one["event_id"]: one["items"] for one in made}
    # equal weights by id; the viewed product is there because it is a neighbour of itself
    assert items["e-100001"] == ["b", "c", "a"]
    # d 2.0, c 0.25 + 0.7 x 1.0, b 0.7 x 1.0, a 0.7 x 0.5
    assert items["e-100002"] == ["d", "c", "b", "a"]
    # a is gone; b, one step back, has d 0.7 x 2.0 and c 0.7 x 0.25
    assert items["e-100007"] == ["d", "c"]
    # what is no JSON changes nothing
    assert items["e-100008"] == ["d", "c"]
    assert not {"e-100003", "e-100004", "e-100005", "e-100006"} & set(items)


def test_a_list_says_when_it_was_made_and_why(made: list[Line]) -> None:
    assert [one["because"] for one in made if one["event_id"] == "e-100008"] == [["a", "b", "a", "b"]]
    times = [one["updated_at"] for one in made]
    assert times == sorted(times)
    assert times[0] > START


def test_the_oracle_counts_as_the_job_does() -> None:
    assert (VIEWS, DECAY, LENGTH) == (oracle.VIEWS, oracle.DECAY, oracle.LENGTH)


def test_the_way_of_a_click_is_short(plan: str) -> None:
    """No Python, no join, no aggregate that takes back what it said, nothing that waits for a watermark."""
    assert plan.count("OverAggregate(") == 2
    assert plan.count("TableSourceScan(") == 2
    assert not [word for word in ("Python", "Join", "GroupAggregate", "Rank(", "atermark") if word in plan]


def test_the_statements_hold_no_address() -> None:
    assert "broker.example" not in render(Settings(kafka_bootstrap="broker.example:9092"))


def test_the_definition_changes_with_the_options() -> None:
    assert APP.definition(Settings()) != replace(APP, options={}).definition(Settings())
