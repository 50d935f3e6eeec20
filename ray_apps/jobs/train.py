"""Trains the recommender on the training sessions at a ref, and writes a model, its evaluation and a receipt.

The newest sessions are held out. The candidate, popularity and co-visitation rank them with retrievers that are fitted to the
sessions before; the champion ranks them as it serves, with its own sessions before the held-out ones. The model that is written
has the candidate's trees, and retrievers that are fitted to all sessions, so that it also knows the newest items. Its lists of some
held-out sessions are written too: the check of a rollout compares them with those of Ray Serve.

A champion that this code cannot build (an artefact of another format) does not fail the training: the candidate is then
compared with the baselines alone, and the reason is in the evaluation and in the receipt. A damaged champion does fail it.
"""

import argparse
import hashlib
import logging
import sys
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clickstream_contracts import names
from clickstream_contracts.held_out import FILE as HELD_OUT_FILE
from clickstream_contracts.held_out import MOST_SESSIONS, HeldOut
from clickstream_contracts.model_artefact import IncompatibleArtefact
from clickstream_contracts.receipt import Receipt
from clickstream_contracts.settings import Settings
from ray_apps.common import cli, model_registry
from ray_apps.common.progress import Progress
from ray_apps.common.storage import open_storage, write_bytes
from ray_apps.jobs import training_data, tuning
from ray_apps.recommender import artefacts, metrics, ranker
from ray_apps.recommender.artefacts import Artefact, Manifest
from ray_apps.recommender.as_served import as_served, coverage
from ray_apps.recommender.evaluation import CANDIDATE, CHAMPION, COVISITATION, POPULARITY, Evaluation, Rank, evaluate
from ray_apps.recommender.index import Index
from ray_apps.recommender.ranker import Model, Recipe, no_search
from ray_apps.recommender.sessions import Queries, Sessions, prefixes

EVALUATION = "evaluation.npz"
HELD_OUT = 0.05
log = logging.getLogger("ray_apps.jobs")


@dataclass(frozen=True)
class Champion:
    """The model in service: its sha256, and either its artefact or the reason why it cannot be compared. "" and None: no champion."""

    sha256: str = ""
    artefact: Artefact | None = None
    unreadable: str = ""


def main(argv: list[str]) -> int:
    """Train and write. Returns the exit code."""
    parser = cli.job_parser("train", __doc__)
    parser.add_argument("--model", type=cli.storage_uri, help="folder of the new model: s3:// or file:// (default: by the run)")
    champion = parser.add_mutually_exclusive_group()
    champion.add_argument("--champion", default="", help="folder of the model in service; empty if there is none")
    champion.add_argument("--champion-at", default="", help="Nessie ref whose serving.rollout names the model in service")
    parser.add_argument("--trials", type=cli.whole_number, default=0, help="settings to try with Ray Tune first (default: none)")
    ray_help = "auto runs the trials on the Ray cluster of this job (default: on a local Ray of its own)"
    parser.add_argument("--ray", default="", choices=("", "auto"), help=ray_help)
    parser.add_argument("--seed", type=cli.whole_number, default=Recipe.seed, help="seed of search and training (default: %(default)s)")
    return cli.run_job("train", parser, work, argv)


def work(settings: Settings, args: argparse.Namespace) -> Receipt:
    """Train one model. Returns the receipt."""
    progress = Progress()
    table, metadata_location = training_data.read(settings, args.ref)
    sessions, ids = training_data.to_sessions(table)
    progress.log(f"{len(sessions):,} sessions of {len(ids):,} items at {args.ref}")
    args.model = args.model or f"s3://{settings.s3_bucket}/{names.model_prefix(args.run)}"
    manifest, evaluation, trials = train_and_write(settings, args, sessions, ids, _champion(settings, args), progress)
    return Receipt(
        app="train",
        run=args.run,
        inputs={training_data.TABLE: metadata_location},
        outputs={"model": args.model, "evaluation": f"{args.model}/{EVALUATION}"},
        rows={training_data.TABLE: table.num_rows},
        content={"model": manifest.sha256},
        facts={"data": data_name(args.ref)} | _facts(manifest, evaluation, trials),
    )


def _champion(settings: Settings, args: argparse.Namespace) -> Champion:
    """The model in service that the arguments name. Raises ArtefactError if it is damaged."""
    sha256, folder = "", args.champion
    if args.champion_at:
        sha256, folder = model_registry.champion(model_registry.open_catalog(settings, args.champion_at))
    if not folder:
        return Champion()
    try:
        artefact = artefacts.read(*open_storage(folder, settings), sha256)
    except IncompatibleArtefact as error:
        log.warning("champion %s is not compared with: %s", error.sha256[:12], error)
        return Champion(error.sha256, unreadable=str(error))
    return Champion(artefact.manifest.sha256, artefact)


def _facts(manifest: Manifest, evaluation: Evaluation, trials: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "seed": manifest.seed,
        "parameters": manifest.parameters,
        "metrics": manifest.metrics,
        "versions": manifest.versions,
        "queries": len(evaluation.groups),
        "champion": evaluation.champion,
        "champion_unreadable": evaluation.champion_unreadable,
        "sizes": evaluation.data,
        "trials": trials,
    }


def train_and_write(
    settings: Settings, args: argparse.Namespace, sessions: Sessions, ids: NDArray[Any], champion: Champion, progress: Progress
) -> tuple[Manifest, Evaluation, list[dict[str, Any]]]:
    """Train, evaluate on the held-out sessions, and write model and evaluation. Returns manifest, evaluation and trials."""
    recipe = Recipe(seed=args.seed)
    digest = data_digest(sessions, ids)
    sessions = sessions.shortened(recipe.retrieval.longest_session)
    end = int(len(sessions) * (1 - HELD_OUT))
    past, held_out = sessions.between(0, end), prefixes(sessions.between(end, len(sessions)))
    tune = tuning.tuner(args.trials, progress, args.ray) if args.trials else no_search
    candidate, search = ranker.train(past, len(ids), recipe, progress, tune)
    methods = _methods(candidate, champion, ids, _start(sessions, end))
    if champion.artefact and CHAMPION not in methods:
        champion = replace(champion, unreadable="it has no sessions before the held-out ones")
    evaluation = evaluate("", champion.sha256, methods, held_out, progress)

    model = Model(Index(sessions, len(ids), recipe.retrieval), candidate.booster)
    manifest = Manifest(digest, args.seed, search.recipe.parameters, metrics.summary(evaluation.values[CANDIDATE]))
    manifest = artefacts.write(Artefact(model, ids, manifest), *open_storage(args.model, settings))
    data = data_sizes(model, ids, champion.artefact)
    evaluation = replace(evaluation, model=manifest.sha256, champion_unreadable=champion.unreadable, data=data)
    write_bytes(f"{args.model}/{EVALUATION}", evaluation.to_bytes(), settings)
    lists = held_out_lists(model, ids, manifest.sha256, held_out, args.seed)
    write_bytes(f"{args.model}/{HELD_OUT_FILE}", lists.to_json().encode(), settings)
    return manifest, evaluation, search.trials


def data_digest(sessions: Sessions, ids: NDArray[Any]) -> str:
    """Returns the sha256 of the training sessions: the same events give the same model, whatever their tag is called."""
    digest = hashlib.sha256("\n".join(ids.tolist()).encode())
    for values in (sessions.offsets, sessions.items, sessions.times):
        digest.update(b"" if values is None else np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def data_name(ref: str) -> str:
    """Returns the tag of a ref without its commit, which differs between catalogs; of main the whole ref."""
    name, _, commit = ref.partition("@")
    return f"{name}@{commit}" if name == names.MAIN else name


def _start(sessions: Sessions, number: int) -> float:
    """The start of a session in seconds."""
    return float(number if sessions.times is None else sessions.times[number])


def _methods(candidate: Model, champion: Champion, ids: NDArray[Any], border: float) -> dict[str, Rank]:
    """What is compared on sessions that began at `border` or later, which no method knows."""
    methods: dict[str, Rank] = {
        CANDIDATE: candidate.rank,
        POPULARITY: partial(candidate.index.rank, POPULARITY),
        COVISITATION: partial(candidate.index.rank, COVISITATION),
    }
    served = as_served(champion.artefact, ids, border) if champion.artefact else None
    if served:
        methods[CHAMPION] = served.rank
    return methods


def data_sizes(model: Model, ids: NDArray[Any], champion: Artefact | None) -> dict[str, float]:
    """Returns sessions and items of a model and of the champion, and the share of the champion's top items that the model has."""
    sizes: dict[str, float] = {"sessions": len(model.index.sessions), "items": len(ids)}
    if champion is None:
        return sizes
    sizes |= {"champion_sessions": len(champion.model.index.sessions), "champion_items": len(champion.ids)}
    return sizes | {"coverage": coverage(champion, ids)}


def held_out_lists(model: Model, ids: NDArray[Any], sha256: str, queries: Queries, seed: int) -> HeldOut:
    """Returns random held-out queries and the lists that the model makes of them."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(queries))[:MOST_SESSIONS])
    views = [ids[queries.items[queries.begin[number] : queries.end[number]]].tolist() for number in chosen]
    selected = np.zeros(len(queries), np.bool_)
    selected[chosen] = True
    ranked = model.rank(queries.where(selected), metrics.TOP)
    return HeldOut(sha256, views, [ids[row[row >= 0]].tolist() for row in ranked])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
