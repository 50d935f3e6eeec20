"""The Spark SQL of features.item_neighbours computes the co-visitation formula of the contracts."""

from fractions import Fraction

import pytest

from clickstream_contracts import covisitation
from clickstream_contracts.covisitation import CoVisitation
from spark_apps.features.item_neighbours import item_neighbours, weight_units
from tests import covisitation_example as example
from tests.spark_apps.local_lake import LocalLake, at


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [(example.PLAIN, example.PLAIN_LINKS), (example.NORMALISED, example.NORMALISED_LINKS)],
    ids=["plain", "normalised"],
)
def test_the_weights_are_those_of_the_example(lake: LocalLake, parameters: CoVisitation, expected: example.Links) -> None:
    sessions = [
        {"session_id": f"s{number}", "event_day": at("2 00:00").date(), "started_at": at("2 10:00"), "items": items}
        for number, items in enumerate(example.SESSIONS)
    ]
    lake.insert("features.training_sessions", *sessions)
    rows = item_neighbours(lake.lake, parameters).collect()
    weights = {(row.product_id, row.neighbour_id): row.weight for row in rows}
    assert weights == {
        (product, neighbour): pytest.approx(float(weight), rel=1e-12)
        for product, links in expected.items()
        for neighbour, weight in links.items()
    }
    for product, links in expected.items():
        positions = {row.neighbour_id: row.position for row in rows if row.product_id == product}
        ranked = sorted(links, key=lambda neighbour: (-links[neighbour], neighbour))
        assert positions == {neighbour: position for position, neighbour in enumerate(ranked, 1)}


def test_the_example_has_the_parameters_of_the_table_and_of_the_retriever() -> None:
    assert covisitation.item_neighbours() == example.PLAIN
    assert covisitation.retriever() == example.NORMALISED


@pytest.mark.parametrize("parameters", [example.PLAIN, example.NORMALISED])
def test_weights_are_whole_at_each_distance(parameters: CoVisitation) -> None:
    units = weight_units(parameters)
    for distance in range(1, parameters.window + 1):
        assert units.denominator % distance == 0
        assert units.backward_weight % distance == 0
    assert Fraction(units.backward_weight, units.denominator) == Fraction(str(parameters.backward_weight))
    assert Fraction(units.self_weight, units.denominator) == Fraction(str(parameters.self_weight))
