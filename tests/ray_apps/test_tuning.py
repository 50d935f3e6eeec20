"""Ray Tune with real trials on a local Ray, which listens on the loopback interface only and leaves no process behind."""

import ipaddress
import os
from collections.abc import Iterator

import numpy as np
import pytest
import ray

from clickstream_contracts.settings import Settings
from ray_apps.common.progress import Progress
from ray_apps.jobs import tuning
from ray_apps.recommender import ranker
from ray_apps.recommender.ranker import Recipe, TrainingRows
from ray_apps.serving.config import REPLICA_CPUS
from tests.ray_apps import shop

pytestmark = pytest.mark.engine
RECIPE = Recipe(rounds=10)
QUIET = Progress(silent=True)


@pytest.fixture(scope="module")
def rows() -> tuple[TrainingRows, TrainingRows]:
    """The rows to learn from and those to stop by."""
    return ranker.training_rows(shop.sessions(shop.visits(700)), shop.ITEMS, RECIPE, QUIET)


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    with tuning.local_ray(2):
        yield
    assert not ray.is_initialized()
    assert _children() == set()


def _children() -> set[int]:
    import psutil  # Ray ships a copy of it and puts it on the path.

    return {child.pid for child in psutil.Process(os.getpid()).children(recursive=True)}


def _listening() -> set[str]:
    """Addresses that the processes of this Ray listen on."""
    import psutil

    children = _children()
    connections = psutil.net_connections("inet")
    return {socket.laddr.ip for socket in connections if socket.pid in children and socket.status == psutil.CONN_LISTEN}


def test_the_first_trial_is_the_recipe_and_the_best_trial_becomes_the_recipe(
    local_ray: None, rows: tuple[TrainingRows, TrainingRows], capfd: pytest.CaptureFixture[str]
) -> None:
    search = tuning.search(*rows, RECIPE, 2, Progress())
    assert [trial["state"] for trial in search.trials] == ["done", "done"]
    from_recipe = {name: RECIPE.parameters[name] for name in ("learning_rate", "num_leaves")}
    assert search.trials[0]["parameters"] | from_recipe == search.trials[0]["parameters"]
    assert search.trials[0]["parameters"] != search.trials[1]["parameters"]
    assert all(0 < trial["ndcg20"] <= 1 and trial["trees"] >= 1 and trial["seconds"] > 0 for trial in search.trials)
    best = max(search.trials, key=lambda trial: trial["ndcg20"])
    assert search.recipe.parameters == RECIPE.parameters | best["parameters"]
    assert "trial 2 of 2" in capfd.readouterr().err
    assert {ipaddress.ip_address(address.removeprefix("::ffff:")).is_loopback for address in _listening()} == {True}


def test_two_trials_and_all_serving_replicas_fit_on_two_cores() -> None:
    assert 2 * tuning.CPUS_BESIDE_SERVING + Settings().serve_max_replicas * REPLICA_CPUS <= 2


@pytest.mark.usefixtures("local_ray")
def test_a_failed_trial_is_reported_and_does_not_stop_the_search(rows: tuple[TrainingRows, TrainingRows]) -> None:
    features = np.zeros((0, rows[0].features.shape[1]), np.float32)
    empty = TrainingRows(features, np.zeros(0, np.int32), np.zeros(0, np.int64), rows[0].names)
    search = tuning.search(empty, empty, RECIPE, 1, QUIET)
    assert [trial["state"] for trial in search.trials] == ["failed"]
    assert search.recipe == RECIPE
