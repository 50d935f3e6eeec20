"""The metrics equal their definitions, and the lower bound reflects the uncertainty of a mean."""

import math

import numpy as np
import pytest

from ray_apps.recommender.metrics import label_ranks, lower_bound, per_query, summary
from tests.ray_apps import oracles


def test_metrics_equal_their_definitions() -> None:
    generator = np.random.default_rng(3)
    lists = np.stack([generator.permutation(40)[:25] for _ in range(200)]).astype(np.int32)
    labels = generator.integers(0, 40, 200).astype(np.int32)
    values = per_query(label_ranks(lists, labels))
    expected = [oracles.metrics(row.tolist(), label) for row, label in zip(lists, labels, strict=True)]
    assert list(zip(values["hr20"].tolist(), values["mrr20"].tolist(), strict=True)) == expected


def test_an_unknown_label_is_a_miss_even_in_a_list_that_ends_early() -> None:
    values = per_query(label_ranks(np.array([[3, -1], [3, 5]], np.int32), np.array([-1, 5], np.int32)))
    assert summary(values) == {"hr20": 50.0, "mrr20": 25.0}


def test_the_lower_bound_is_close_to_the_normal_distribution() -> None:
    values = np.random.default_rng(5).normal(0.3, 1.0, 4000)
    bound = lower_bound(values, np.arange(4000), seed=1)
    assert bound == pytest.approx(values.mean() - 1.645 / math.sqrt(4000), abs=0.004)


def test_the_lower_bound_is_seeded_and_wider_when_queries_are_grouped() -> None:
    values = np.repeat(np.random.default_rng(5).normal(0.3, 1.0, 400), 10)
    ungrouped = lower_bound(values, np.arange(4000), seed=1)
    grouped = lower_bound(values, np.repeat(np.arange(400), 10), seed=1)
    assert grouped < ungrouped < values.mean()
    assert lower_bound(values, np.arange(4000), seed=1) == ungrouped


def test_nan_among_the_values_gives_a_nan_bound() -> None:
    assert math.isnan(lower_bound(np.array([0.1, math.nan, 0.2]), np.arange(3), seed=1))
