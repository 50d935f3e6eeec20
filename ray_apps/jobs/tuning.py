"""Hyperparameter search for the ranker by Ray Tune: a fixed number of trials, each one `lightgbm.train` of one thread.

The rows are put into the object store once. The first trial is the recipe as it stands, so the search cannot end below
it on what it decides by, which are the queries that stop the boosting; the test is not looked at.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from typing import Any

import ray
from ray import tune
from ray._private import ray_constants
from ray.tune.search.basic_variant import BasicVariantGenerator

from ray_apps.common.progress import Progress
from ray_apps.recommender.ranker import Part, Recipe, Search, Tune, fit

METRIC = "ndcg20"
# Settings are told apart by far fewer queries than a model is made from.
QUERIES = 5000
# Of a core that a trial shares with the replicas which serve meanwhile.
BESIDE_SERVING = 0.75


def space() -> dict[str, Any]:
    """What is searched; all else stays as the recipe has it."""
    return {
        "learning_rate": tune.loguniform(0.03, 0.15),
        "num_leaves": tune.choice([15, 31, 63, 127]),
        "min_data_in_leaf": tune.choice([20, 50, 100, 200, 500]),
        "lambdarank_truncation_level": tune.choice([20, 30, 50]),
        "feature_fraction": tune.uniform(0.5, 1.0),
        "lambda_l2": tune.choice([0.0, 0.1, 1.0, 10.0]),
    }


@contextmanager
def own_ray(cpus: int) -> Iterator[None]:
    """A Ray of this process's own, on the loopback interface, without a dashboard; gone when the block ends."""
    # Ray has no option for this: without a cluster to join, its servers listen on 127.0.0.1 instead of every address.
    ray_constants.ENABLE_RAY_CLUSTER = False
    quiet = {"include_dashboard": False, "log_to_driver": False, "configure_logging": False}
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        ray.init(address="local", num_cpus=cpus, _temp_dir=folder, **quiet)
        try:
            yield
        finally:
            ray.shutdown()


@contextmanager
def joined(address: str) -> Iterator[None]:
    """The Ray that runs already at `address`; it stays when the block ends."""
    ray.init(address=address, log_to_driver=False, configure_logging=False)
    try:
        yield
    finally:
        ray.shutdown()


def tuner(trials: int, progress: Progress, address: str = "") -> Tune:
    """A search of this many trials on the Ray at `address`, or on one of its own with all cores of this machine."""

    def tune(learn: Part, stop: Part, recipe: Recipe) -> Search:
        with joined(address) if address else own_ray(os.cpu_count() or 1):
            return search(learn, stop, recipe, trials, progress, BESIDE_SERVING if address else 1)

    return tune


def search(learn: Part, stop: Part, recipe: Recipe, trials: int, progress: Progress, cpus: float = 1) -> Search:
    """Try `trials` settings on the Ray that is up, each on `cpus` and the same QUERIES of `learn`; the same seed tries the same ones.

    Failed trials are rows too.
    """
    learn = learn.sample(QUERIES, recipe.seed)
    known = {name: recipe.parameters[name] for name in space() if name in recipe.parameters}
    # The generator takes no part of a point: what the recipe leaves to LightGBM is written out.
    known = {"feature_fraction": 1.0, "lambda_l2": 0.0} | known
    tries = BasicVariantGenerator(points_to_evaluate=[known], random_state=recipe.seed)
    trial = tune.with_resources(tune.with_parameters(_trial, learn=learn, stop=stop, recipe=recipe), {"cpu": cpus})
    # Tune prints whatever its verbosity; what is printed is the caller's answer.
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
        tuner = tune.Tuner(
            trial,
            param_space=space(),
            tune_config=tune.TuneConfig(metric=METRIC, mode="max", num_samples=trials, search_alg=tries),
            run_config=tune.RunConfig(storage_path=folder, verbose=0, callbacks=[_Teller(progress, trials)]),
        )
        found = [_row(one) for one in tuner.fit()]
    return Search(_best(recipe, found), found)


def _trial(config: dict[str, Any], learn: Part, stop: Part, recipe: Recipe) -> dict[str, float]:
    tried = replace(recipe, parameters=recipe.parameters | config | {"num_threads": 1})
    booster = fit(learn, stop, tried, Progress(silent=True))
    return {METRIC: booster.best_score["valid_0"]["ndcg@20"], "trees": booster.best_iteration}


def _row(result: Any) -> dict[str, Any]:
    metrics = result.metrics or {}
    return {
        "parameters": dict(result.config),
        METRIC: metrics.get(METRIC),
        "trees": metrics.get("trees"),
        "seconds": round(metrics.get("time_total_s", 0.0), 3),
        "state": "failed" if result.error else "done",
    }


def _best(recipe: Recipe, trials: list[dict[str, Any]]) -> Recipe:
    done = [one for one in trials if one["state"] == "done" and one[METRIC] is not None]
    best = max(done, key=lambda one: one[METRIC], default=None)
    return replace(recipe, parameters=recipe.parameters | best["parameters"]) if best else recipe


class _Teller(tune.Callback):
    """Tells when a trial is over."""

    def __init__(self, progress: Progress, trials: int) -> None:
        self._progress, self._trials, self._over = progress, trials, 0

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._over += 1
        self._progress.say(f"trial {self._over} of {self._trials}: {METRIC} {trial.last_result.get(METRIC, float('nan')):.4f}")
