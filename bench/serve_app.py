"""What both servers of the benchmark run, in the environment of Ray: the application, one stored model, no lake and no Kafka.

`python -m bench.serve_app FOLDER` makes the model; BENCH_MODEL names the folder for the servers.
"""

import os
import sys
from typing import Any

import numpy as np
from pyarrow import fs
from ray import serve

from ray_apps.common.progress import Progress
from ray_apps.recommender import artefacts, ranker
from ray_apps.recommender.artefacts import Artefact, Manifest
from ray_apps.recommender.ranker import Recipe
from ray_apps.serving import web
from ray_apps.serving.pointer import Pointer
from tests.ray_apps import serving, shop

ITEMS, SESSIONS = 2000, 20_000
TOKEN = "bench"


def build() -> Any:
    """The application, with the model loaded and warm."""
    lake = serving.FakeLake()
    lake.now = Pointer("bench", lake.add(artefacts.read(fs.LocalFileSystem(), os.environ["BENCH_MODEL"])))
    found = serving.recommender(lake)

    async def tallies() -> dict[str, Any]:
        return found.arms.tallies()

    return web.build(found, TOKEN, tallies)


@serve.deployment(max_ongoing_requests=100, ray_actor_options={"num_cpus": 0.25}, logging_config={"enable_access_log": False})
@serve.ingress()
class Replica:
    """One replica of it."""

    def __serve_build_asgi_app__(self) -> Any:
        return build()


app = Replica.bind()  # type: ignore[attr-defined]


def make(folder: str) -> None:
    """Train a model of a small shop."""
    recipe = Recipe(rounds=100)
    model, _ = ranker.train(shop.sessions(shop.visits(SESSIONS, items=ITEMS, tastes=40)), ITEMS, recipe, Progress())
    ids = np.array([f"p-{number}" for number in range(ITEMS)])
    artefacts.write(Artefact(model, ids, Manifest("bench", recipe.seed, recipe.parameters, {})), fs.LocalFileSystem(), folder)


if __name__ == "__main__":
    make(sys.argv[1])
