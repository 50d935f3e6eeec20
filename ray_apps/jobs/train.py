"""Trains the recommender on the lake's sessions at a ref, and writes a model, its evaluation and a receipt.

The newest sessions are held out. Candidate, popularity and champion answer them with an index of the sessions before;
the model that is written has the same ranker and an index of all sessions, so that it knows the newest items too.
"""

import argparse
import sys
from dataclasses import replace
from functools import partial
from typing import Any

from numpy.typing import NDArray

from clickstream_contracts import names
from clickstream_contracts.receipt import Receipt
from clickstream_contracts.settings import Settings
from ray_apps.common import cli, model_registry
from ray_apps.common.progress import Progress
from ray_apps.common.storage import open_place, write_bytes
from ray_apps.jobs import training_data, tuning
from ray_apps.recommender import artefacts, metrics, ranker
from ray_apps.recommender.artefacts import Artefact, Manifest
from ray_apps.recommender.evaluation import CANDIDATE, CHAMPION, POPULARITY, Evaluation, Rank, evaluate
from ray_apps.recommender.ranker import Model, Recipe, keep
from ray_apps.recommender.retrieval import Index
from ray_apps.recommender.sessions import Sessions, prefixes

EVALUATION = "evaluation.npz"
HELD_OUT = 0.05


def main(argv: list[str]) -> int:
    """Train and write. Returns the exit code."""
    found = cli.parser("train", __doc__)
    found.add_argument("--model", type=cli.place_uri, help="folder of the new model: s3:// or file:// (default: by the run)")
    champion = found.add_mutually_exclusive_group()
    champion.add_argument("--champion", default="", help="folder of the model in service; empty if there is none")
    champion.add_argument("--champion-at", default="", help="ref of the lake that knows the model in service")
    found.add_argument("--trials", type=cli.whole_number, default=0, help="settings to try with Ray Tune first (default: none)")
    found.add_argument(
        "--ray", default="", choices=("", "auto"), help="auto tries settings on the Ray that runs this job (default: an own one)"
    )
    found.add_argument("--seed", type=cli.whole_number, default=Recipe.seed, help="seed of search and training (default: %(default)s)")
    return cli.run("train", found, work, argv)


def work(settings: Settings, args: argparse.Namespace) -> Receipt:
    """One training."""
    progress = Progress()
    table, state = training_data.read(settings, args.ref)
    sessions, ids = training_data.sessions(table)
    progress.say(f"{len(sessions):,} sessions of {len(ids):,} items at {args.ref}")
    args.model = args.model or f"s3://{settings.s3_bucket}/{names.model_prefix(args.run)}"
    manifest, evaluation, trials = make(settings, args, sessions.shortened(), ids, _champion(settings, args), progress)
    return Receipt(
        app="train",
        run=args.run,
        inputs={training_data.TABLE: state},
        outputs={"model": args.model, "evaluation": f"{args.model}/{EVALUATION}"},
        rows={training_data.TABLE: table.num_rows},
        content={"model": manifest.sha256},
        facts=_facts(manifest, evaluation, trials),
    )


def _champion(settings: Settings, args: argparse.Namespace) -> Artefact | None:
    sha256, folder = "", args.champion
    if args.champion_at:
        sha256, folder = model_registry.champion(model_registry.catalog(settings, args.champion_at))
    return artefacts.read(*open_place(folder, settings), sha256) if folder else None


def _facts(manifest: Manifest, evaluation: Evaluation, trials: list[dict[str, Any]]) -> dict[str, Any]:
    about = {name: getattr(manifest, name) for name in ("data", "seed", "parameters", "metrics", "versions")}
    return {**about, "queries": len(evaluation.groups), "champion": evaluation.champion, "trials": trials}


def make(
    settings: Settings, args: argparse.Namespace, sessions: Sessions, ids: NDArray[Any], champion: Artefact | None, progress: Progress
) -> tuple[Manifest, Evaluation, list[dict[str, Any]]]:
    """Train, compare on the held-out sessions, write model and evaluation."""
    end = int(len(sessions) * (1 - HELD_OUT))
    past, held_out = sessions.between(0, end), prefixes(sessions.between(end, len(sessions)))
    tune = tuning.tuner(args.trials, progress, args.ray) if args.trials else keep
    candidate, search = ranker.train(past, len(ids), Recipe(seed=args.seed), progress, tune)
    rivals = _rivals(candidate, champion)
    found = evaluate("", champion.manifest.sha256 if champion else "", rivals, held_out, progress)
    about = Manifest(args.ref, args.seed, search.recipe.parameters, metrics.summary(found.values[CANDIDATE]))
    model = Artefact(Model(Index(sessions, len(ids)), candidate.booster), ids, about)
    manifest = artefacts.write(model, *open_place(args.model, settings))
    found = replace(found, model=manifest.sha256)
    write_bytes(f"{args.model}/{EVALUATION}", found.to_bytes(), settings)
    return manifest, found, search.trials


def _rivals(candidate: Model, champion: Artefact | None) -> dict[str, Rank]:
    """All look at the same sessions: what differs is the ranker."""
    rivals: dict[str, Rank] = {CANDIDATE: candidate.rank, POPULARITY: partial(candidate.index.rank, "popularity")}
    return rivals | ({CHAMPION: Model(candidate.index, champion.model.booster).rank} if champion else {})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
