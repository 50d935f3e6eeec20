"""Hyperparameter search for the ranker with Ray Tune: a fixed number of trials, each one `lightgbm.train` on one thread.

The training rows are put into the object store once. The first trial is the recipe as it is, so the result of the search
is never worse than it on the queries that decide when boosting stops. The held-out sessions are not used.
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
from ray_apps.recommender.ranker import Recipe, Search, TrainingRows, Tune, fit

METRIC = "ndcg20"
# Comparing settings needs far fewer queries than training the model.
QUERIES = 5000
# CPUs of a trial on the cluster, so that two trials and the replicas that serve fit on two cores.
CPUS_BESIDE_SERVING = 0.75


def search_space() -> dict[str, Any]:
    """The parameters that are searched; all others are those of the recipe."""
    return {
        "learning_rate": tune.loguniform(0.03, 0.15),
        "num_leaves": tune.choice([15, 31, 63, 127]),
        "min_data_in_leaf": tune.choice([20, 50, 100, 200, 500]),
        "lambdarank_truncation_level": tune.choice([20, 30, 50]),
        "feature_fraction": tune.uniform(0.5, 1.0),
        "lambda_l2": tune.choice([0.0, 0.1, 1.0, 10.0]),
    }


@contextmanager
def local_ray(cpus: int) -> Iterator[None]:
    """Start a local Ray on the loopback interface, without a dashboard; stop it at the end of the block."""
    # Ray has no option for this: with clusters switched off, its servers listen on 127.0.0.1 instead of all addresses.
    ray_constants.ENABLE_RAY_CLUSTER = False
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        ray.init(address="local", num_cpus=cpus, _temp_dir=folder, include_dashboard=False, log_to_driver=False, configure_logging=False)
        try:
            yield
        finally:
            ray.shutdown()


@contextmanager
def connected_ray(address: str) -> Iterator[None]:
    """Connect to the Ray cluster at `address`; disconnect at the end of the block."""
    ray.init(address=address, log_to_driver=False, configure_logging=False)
    try:
        yield
    finally:
        ray.shutdown()


def tuner(trials: int, progress: Progress, address: str = "") -> Tune:
    """A search with this many trials on the Ray cluster at `address`, or on a local Ray with all cores of this machine."""

    def tune(learn: TrainingRows, stop: TrainingRows, recipe: Recipe) -> Search:
        if address:
            with connected_ray(address):
                return search(learn, stop, recipe, trials, progress, CPUS_BESIDE_SERVING)
        with local_ray(os.cpu_count() or 1):
            return search(learn, stop, recipe, trials, progress)

    return tune


def search(learn: TrainingRows, stop: TrainingRows, recipe: Recipe, trials: int, progress: Progress, cpus: float = 1) -> Search:
    """Try `trials` settings on the running Ray, each with `cpus` and the same QUERIES of `learn`.

    The same seed tries the same settings. A trial that fails is in the result too.
    """
    learn = learn.sample(QUERIES, recipe.seed)
    # The generator needs a value for each parameter: these are LightGBM's defaults for what the recipe does not set.
    first = {"feature_fraction": 1.0, "lambda_l2": 0.0}
    first |= {name: recipe.parameters[name] for name in search_space() if name in recipe.parameters}
    generator = BasicVariantGenerator(points_to_evaluate=[first], random_state=recipe.seed)
    trainable = tune.with_parameters(_trial, learn=learn, stop=stop, recipe=recipe)
    # Tune prints at any verbosity, and the caller's stdout may be its output.
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
        tuner = tune.Tuner(
            tune.with_resources(trainable, {"cpu": cpus}),
            param_space=search_space(),
            tune_config=tune.TuneConfig(metric=METRIC, mode="max", num_samples=trials, search_alg=generator),
            run_config=tune.RunConfig(storage_path=folder, verbose=0, callbacks=[_ReportTrials(progress, trials)]),
        )
        rows = [_row(result) for result in tuner.fit()]
    return Search(_best(recipe, rows), rows)


def _trial(config: dict[str, Any], learn: TrainingRows, stop: TrainingRows, recipe: Recipe) -> dict[str, float]:
    recipe = replace(recipe, parameters=recipe.parameters | config | {"num_threads": 1})
    booster = fit(learn, stop, recipe, Progress(silent=True))
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
    """The recipe with the parameters of the best trial; unchanged if no trial succeeded."""
    done = [trial for trial in trials if trial["state"] == "done" and trial[METRIC] is not None]
    if not done:
        return recipe
    best = max(done, key=lambda trial: trial[METRIC])
    return replace(recipe, parameters=recipe.parameters | best["parameters"])


class _ReportTrials(tune.Callback):
    """Prints a progress message at the end of each trial."""

    def __init__(self, progress: Progress, trials: int) -> None:
        self._progress, self._trials, self._completed = progress, trials, 0

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._completed += 1
        score = trial.last_result.get(METRIC, float("nan"))
        self._progress.log(f"trial {self._completed} of {self._trials}: {METRIC} {score:.4f}")
