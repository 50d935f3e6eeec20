"""Metrics equal their definitions, and the bound knows how unsure a mean is."""

import math

import numpy as np
import pytest

from ray_apps.recommender.metrics import lower_bound, per_query, ranks, summary
from tests.ray_apps import oracles


def test_metrics_are_their_definitions() -> None:
    generator = np.random.default_rng(3)
    found = np.stack([generator.permutation(40)[:25] for _ in range(200)]).astype(np.int32)
    labels = generator.integers(0, 40, 200).astype(np.int32)
    values = per_query(ranks(found, labels))
    wanted = [oracles.metrics(row.tolist(), label) for row, label in zip(found, labels, strict=True)]
    assert list(zip(values["hr20"].tolist(), values["mrr20"].tolist(), strict=True)) == wanted


def test_an_unknown_answer_is_a_miss_even_where_the_list_ends() -> None:
    values = per_query(ranks(np.array([[3, -1], [3, 5]], np.int32), np.array([-1, 5], np.int32)))
    assert summary(values) == {"hr20": 50.0, "mrr20": 25.0}


def test_the_bound_is_near_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(5).normal(0.3, 1.0, 4000)
    bound = lower_bound(values, np.arange(4000), seed=1)
    assert bound == pytest.approx(values.mean() - 1.645 / math.sqrt(4000), abs=0.004)


def test_the_bound_is_seeded_and_groups_make_it_less_sure() -> None:
    values = np.repeat(np.random.default_rng(5).normal(0.3, 1.0, 400), 10)
    one_each, by_session = (lower_bound(values, groups, seed=1) for groups in (np.arange(4000), np.repeat(np.arange(400), 10)))
    assert by_session < one_each < values.mean()
    assert lower_bound(values, np.arange(4000), seed=1) == one_each


def test_nan_is_not_lost() -> None:
    assert math.isnan(lower_bound(np.array([0.1, math.nan, 0.2]), np.arange(3), seed=1))
