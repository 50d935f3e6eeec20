"""Ray Tune for real: two trials on a Ray that listens on this machine only and is gone afterwards."""

import ipaddress
import os
from collections.abc import Iterator

import numpy as np
import pytest
import ray

from ray_apps.common.progress import Progress
from ray_apps.jobs import tuning
from ray_apps.recommender import ranker
from ray_apps.recommender.ranker import Part, Recipe
from ray_apps.serving.config import MAX_REPLICAS, REPLICA_CPUS
from tests.ray_apps import shop

pytestmark = pytest.mark.engine
RECIPE = Recipe(rounds=10)
QUIET = Progress(silent=True)


@pytest.fixture(scope="module")
def parts() -> tuple[Part, Part]:
    return ranker.rows(shop.sessions(shop.visits(700)), shop.ITEMS, RECIPE, QUIET)


@pytest.fixture(scope="module")
def own_ray() -> Iterator[None]:
    with tuning.own_ray(2):
        yield
    assert not ray.is_initialized()
    assert _children() == set()


def _children() -> set[int]:
    import psutil  # Ray brings its own copy and puts it on the path.

    return {child.pid for child in psutil.Process(os.getpid()).children(recursive=True)}


def _listening() -> set[str]:
    """Addresses on which the processes of this Ray listen."""
    import psutil

    own = _children()
    return {found.laddr.ip for found in psutil.net_connections("inet") if found.pid in own and found.status == psutil.CONN_LISTEN}


def test_trials_are_rows_and_the_best_is_no_worse_than_the_recipe(
    own_ray: None, parts: tuple[Part, Part], capfd: pytest.CaptureFixture[str]
) -> None:
    found = tuning.search(*parts, RECIPE, 2, Progress())
    assert [trial["state"] for trial in found.trials] == ["done", "done"]
    known = {name: RECIPE.parameters[name] for name in ("learning_rate", "num_leaves")}
    assert found.trials[0]["parameters"] | known == found.trials[0]["parameters"]
    assert found.trials[0]["parameters"] != found.trials[1]["parameters"]
    assert all(0 < trial["ndcg20"] <= 1 and trial["trees"] >= 1 and trial["seconds"] > 0 for trial in found.trials)
    best = max(found.trials, key=lambda trial: trial["ndcg20"])
    assert found.recipe.parameters == RECIPE.parameters | best["parameters"]
    assert "trial 2 of 2" in capfd.readouterr().err
    assert {ipaddress.ip_address(address.removeprefix("::ffff:")).is_loopback for address in _listening()} == {True}


def test_two_trials_and_all_replicas_fit_on_two_cores() -> None:
    assert 2 * tuning.BESIDE_SERVING + MAX_REPLICAS * REPLICA_CPUS <= 2


@pytest.mark.usefixtures("own_ray")
def test_a_trial_that_fails_is_a_row_and_the_search_goes_on(parts: tuple[Part, Part]) -> None:
    empty = Part(np.zeros((0, parts[0].rows.shape[1]), np.float32), np.zeros(0, np.int32), np.zeros(0, np.int64))
    found = tuning.search(empty, empty, RECIPE, 1, QUIET)
    assert [trial["state"] for trial in found.trials] == ["failed"]
    assert found.recipe == RECIPE
