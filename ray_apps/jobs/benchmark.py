"""Trains and tests the recommender on session files and writes HR@20 and MRR@20 of each method, in percent.

Each query ranks all items; items that were viewed in the session before stay in the lists.
"""

import json
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

from ray_apps.common.cli import Parser, whole_number
from ray_apps.common.progress import Progress
from ray_apps.recommender import metrics, ranker, session_files
from ray_apps.recommender.evaluation import Rank
from ray_apps.recommender.index import Index
from ray_apps.recommender.metrics import TOP
from ray_apps.recommender.ranker import Recipe, TooFewSessions, Tune, no_search
from ray_apps.recommender.retrievers import POPULARITY
from ray_apps.recommender.sessions import Queries, Sessions

Result = dict[str, float]


def main(argv: list[str]) -> int:
    """Run the benchmark. Returns the exit code: 2 if the files cannot be used."""
    args, progress = _parser().parse_args(argv), Progress()
    try:
        sessions, ids = session_files.read_sessions(args.sessions)
        queries = session_files.read_queries(args.test, ids)
        progress.log(f"{len(sessions):,} sessions, {len(sessions.items):,} views, {len(ids):,} items, {len(queries):,} queries")
        results = measure(sessions, len(ids), queries, Recipe(seed=args.seed), args.trials, progress)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(results, indent=1) + "\n")
    except (session_files.InputError, TooFewSessions) as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{args.out}: {error.strerror or error}")
    print(format_table(results))
    return 0


def measure(sessions: Sessions, item_count: int, queries: Queries, recipe: Recipe, trials: int, progress: Progress) -> dict[str, Result]:
    """For each method its metrics on the queries, the seconds of its training and the milliseconds of one query.

    V-SKNN and VSTAN share their postings; the time to make them counts for V-SKNN.
    """
    retrieval = recipe.retrieval
    index, results = Index(sessions.shortened(retrieval.longest_session), item_count, retrieval), {}
    for name in (POPULARITY, *retrieval.candidates_from):
        begin = time.perf_counter()
        index.retriever(name)
        results[name] = _test(name, partial(index.rank, name), queries, time.perf_counter() - begin, progress)
    begin = time.perf_counter()
    model, _ = ranker.train(sessions, item_count, recipe, progress, _tuner(trials, progress))
    results["two_stage"] = _test("two_stage", model.rank, queries, time.perf_counter() - begin, progress)
    return results


def _tuner(trials: int, progress: Progress) -> Tune:
    if not trials:
        return no_search
    # Importing Ray takes seconds.
    from ray_apps.jobs import tuning

    return tuning.tuner(trials, progress)


def _test(name: str, rank: Rank, queries: Queries, train_s: float, progress: Progress) -> Result:
    # The first call compiles the kernels and is not measured.
    rank(queries.between(0, 1), TOP)
    begin = time.perf_counter()
    lists = np.concatenate([rank(batch, TOP) for batch in progress.batches(name, queries)])
    query_ms = 1000 * (time.perf_counter() - begin) / len(queries)
    quality = metrics.summary(metrics.per_query(metrics.label_ranks(lists, queries.labels)))
    progress.log(f"{name}: {quality}")
    return quality | {"train_s": float(f"{train_s:.3g}"), "query_ms": float(f"{query_ms:.3g}")}


def format_table(results: dict[str, Result]) -> str:
    """The results as an aligned table."""
    columns = next(iter(results.values()))
    lines = [f"{'method':14}" + "".join(f"{column:>10}" for column in columns)]
    for method, result in results.items():
        lines.append(f"{method:14}" + "".join(f"{value:10.4g}" for value in result.values()))
    return "\n".join(lines)


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


def _parser() -> Parser:
    parser = Parser("jobs.benchmark", __doc__)
    parser.add_argument("--sessions", type=Path, required=True, help="training sessions, oldest first, one per line; may be gzipped (.gz)")
    parser.add_argument("--test", type=Path, required=True, help="queries: the views so far, a tab, the next view; may be gzipped (.gz)")
    parser.add_argument("--out", type=Path, required=True, help="file for the results, as JSON")
    parser.add_argument("--seed", type=whole_number, default=Recipe.seed, help="seed of the ranker (default: %(default)s)")
    parser.add_argument("--trials", type=whole_number, default=0, help="settings of the ranker to try with Ray Tune first (default: none)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
