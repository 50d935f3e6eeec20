"""The application of the serving benchmark: the HTTP API with one model from a folder, without Nessie and Kafka.

`python -m bench.serve_app FOLDER` trains and writes the model; the servers read it from the folder in BENCH_MODEL.
It runs in the environment of Ray.
"""

import os
import sys
from typing import Any

import numpy as np
from pyarrow import fs
from ray import serve

from clickstream_contracts.rollout_pointer import Pointer
from ray_apps.common.progress import Progress
from ray_apps.recommender import artefacts, ranker
from ray_apps.recommender.artefacts import Artefact, Manifest
from ray_apps.recommender.ranker import Recipe
from ray_apps.serving import http_api
from ray_apps.serving.metrics import MetricsByVariant
from tests.ray_apps import serving, shop

ITEMS, SESSIONS = 2000, 20_000
TOKEN = "bench"


def build() -> Any:
    """Returns the application with the model loaded and warmed up."""
    store = serving.FakeRolloutStore()
    sha256 = store.add(artefacts.read(fs.LocalFileSystem(), os.environ["BENCH_MODEL"]))
    store.current = Pointer("bench", stable=sha256)
    recommender = serving.recommender(store)

    async def read_metrics() -> MetricsByVariant:
        return recommender.router.metrics()

    return http_api.build(recommender, TOKEN, read_metrics)


@serve.deployment(max_ongoing_requests=100, ray_actor_options={"num_cpus": 0.25}, logging_config={"enable_access_log": False})
@serve.ingress()
class Replica:
    """One replica of the application."""

    def __serve_build_asgi_app__(self) -> Any:
        return build()


app = Replica.bind()  # type: ignore[attr-defined]


def write_model(folder: str) -> None:
    """Train a model on a synthetic shop and write it to the folder."""
    recipe = Recipe(rounds=100)
    sessions = shop.sessions(shop.visits(SESSIONS, items=ITEMS, tastes=40))
    model, _ = ranker.train(sessions, ITEMS, recipe, Progress())
    ids = np.array([f"p-{number}" for number in range(ITEMS)])
    manifest = Manifest("bench", recipe.seed, recipe.parameters, {})
    artefacts.write(Artefact(model, ids, manifest), fs.LocalFileSystem(), folder)


if __name__ == "__main__":
    write_model(sys.argv[1])
