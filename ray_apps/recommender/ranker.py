"""The two-stage recommender: candidates of the retrievers, put in order by LightGBM's LambdaRank.

Nothing is trained on its own future. The retrievers first see the oldest sessions only; the queries of the newer ones
become the ranker's rows, the last of them decide when boosting stops. Then the retrievers see all sessions.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import lightgbm as lgb
import numpy as np

from ray_apps.common.progress import Progress
from ray_apps.recommender.features import FEATURES, Candidates, Rows, candidates
from ray_apps.recommender.retrieval import Index
from ray_apps.recommender.sessions import Bools, Floats, Ints, Longs, Queries, Sessions, prefixes

PARAMETERS: dict[str, Any] = {
    "objective": "lambdarank",
    "metric": "ndcg",
    "eval_at": [20],
    "lambdarank_truncation_level": 30,
    "learning_rate": 0.08,
    "num_leaves": 31,
    "min_data_in_leaf": 100,
    # The same rows give the same trees, whatever the number of threads.
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


class TooFewSessions(ValueError):
    """There is not enough to train on."""


@dataclass(frozen=True)
class Recipe:
    """How a model is trained. Shares are of sessions in time order.

    The first index sees `index_share`, or less, down to `least_index_share`, where the rest holds fewer than `least_queries`.
    The newest `stop_share` of the rest decides when boosting stops.
    Of the wrong candidates the ranker learns from `wrong_share`, drawn by `seed`: half the time for the same quality.
    """

    index_share: float = 0.93
    least_index_share: float = 0.7
    least_queries: int = 20_000
    stop_share: float = 0.15
    most_queries: int = 60_000
    wrong_share: float = 0.5
    rounds: int = 600
    patience: int = 40
    seed: int = 7
    parameters: dict[str, Any] = field(default_factory=lambda: PARAMETERS)


class Part(NamedTuple):
    """Rows of queries that have their answer among their candidates: features, 1 for the answer, rows per query."""

    rows: Rows
    labels: Ints
    sizes: Longs

    def sample(self, queries: int, seed: int) -> "Part":
        """This many of the queries, by chance and in their order; all if there are no more."""
        chosen = np.zeros(len(self.sizes), np.bool_)
        chosen[np.random.default_rng(seed).permutation(len(self.sizes))[:queries]] = True
        rows = np.repeat(chosen, self.sizes)
        return Part(self.rows[rows], self.labels[rows], self.sizes[chosen])


@dataclass(frozen=True)
class Search:
    """The best recipe that was found, and each trial as a plain row: parameters, metric, trees, seconds, state."""

    recipe: Recipe
    trials: list[dict[str, Any]]


Tune = Callable[[Part, Part, Recipe], Search]


def keep(learn: Part, stop: Part, recipe: Recipe) -> Search:
    """Try nothing."""
    return Search(recipe, [])


@dataclass(frozen=True)
class Model:
    """A trained recommender."""

    index: Index
    booster: lgb.Booster

    def rank(self, queries: Queries, top: int) -> Ints:
        """The `top` items for each query, best first; popular ones where the candidates end."""
        found = candidates(self.index, queries)
        # LightGBM refuses a table without rows.
        scores = np.asarray(self.booster.predict(found.rows)) if len(found.rows) else np.zeros(0)
        return self.index.popularity.fill(_best(found, scores, top))


def train(sessions: Sessions, item_count: int, recipe: Recipe, progress: Progress, tune: Tune = keep) -> tuple[Model, Search]:
    """Train on sessions of items 0 .. item_count - 1, by the recipe that `tune` finds. Raises TooFewSessions."""
    learn, stop = rows(sessions, item_count, recipe, progress)
    found = tune(learn, stop, recipe)
    model = Model(Index(sessions.shortened(), item_count), fit(learn, stop, found.recipe, progress))
    progress.say(f"ranker: {model.booster.best_iteration} trees from {len(learn.rows):,} rows")
    return model, found


def rows(sessions: Sessions, item_count: int, recipe: Recipe, progress: Progress) -> tuple[Part, Part]:
    """What the ranker learns from, and what tells it when to stop."""
    past, learn, stop = split(sessions.shortened(), recipe)
    index = Index(past, item_count)
    learning = part(index, learn, recipe.wrong_share, recipe.seed, progress)
    return learning, part(index, stop, 1.0, recipe.seed, progress)


def fit(learn: Part, stop: Part, recipe: Recipe, progress: Progress) -> lgb.Booster:
    """Boost until the newest queries gain nothing more; the same rows and recipe give the same trees."""
    parameters = recipe.parameters | {"seed": recipe.seed}
    data = lgb.Dataset(learn.rows, learn.labels, group=learn.sizes, feature_name=list(FEATURES), params=parameters)
    newest = lgb.Dataset(stop.rows, stop.labels, group=stop.sizes, reference=data)
    stopping = lgb.early_stopping(recipe.patience, verbose=False)

    def tell(state: Any) -> None:
        progress.now_and_then(f"ranker: {state.iteration + 1} trees")

    return lgb.train(parameters, data, recipe.rounds, valid_sets=[newest], callbacks=[tell, stopping])


def split(sessions: Sessions, recipe: Recipe) -> tuple[Sessions, Queries, Queries]:
    """What the first index sees, the queries the ranker learns from, and the newest ones, which tell it when to stop."""
    end = _index_end(sessions, recipe)
    queries = prefixes(sessions.between(end, len(sessions)))
    queries = queries.between(max(0, len(queries) - recipe.most_queries), len(queries))
    if end < 1 or len(queries) < 20:
        raise TooFewSessions(
            f"{len(sessions)} sessions are too few to train on: the newest {1 - recipe.index_share:.0%} hold {len(queries)} queries"
        )
    # A session's queries stay together.
    groups = np.unique(queries.groups)
    newest = queries.groups >= groups[int(len(groups) * (1 - recipe.stop_share))]
    return sessions.between(0, end), queries.where(~newest), queries.where(newest)


def _index_end(sessions: Sessions, recipe: Recipe) -> int:
    """How many of the oldest sessions the first index sees."""
    most, least = (int(len(sessions) * share) for share in (recipe.index_share, recipe.least_index_share))
    queries_from = np.cumsum((np.diff(sessions.offsets) - 1)[::-1])[::-1]
    return int(np.clip(np.sum(queries_from >= recipe.least_queries) - 1, least, most))


def part(index: Index, queries: Queries, wrong_share: float, seed: int, progress: Progress) -> Part:
    """The ranker's rows of the queries that have their answer among their candidates."""
    generator = np.random.default_rng(seed)
    made = []
    for some in progress.through("the ranker's rows", queries):
        found = candidates(index, some)
        made.append(_answered(found, found.are_labels(some.labels), generator.random(len(found.items)) < wrong_share))
    return Part(*(np.concatenate(column) for column in zip(*made, strict=True)))


def _answered(found: Candidates, right: Bools, drawn: Bools) -> Part:
    owners = found.owners
    answered = np.bincount(owners, weights=right, minlength=len(found.offsets) - 1) > 0
    kept = answered[owners] & (right | drawn)
    return Part(found.rows[kept], right[kept].astype(np.int32), np.bincount(owners[kept], minlength=len(answered))[answered])


def _best(found: Candidates, scores: Floats, top: int) -> Ints:
    """Each query's candidates by their scores; among equals in the retrievers' order."""
    owners = found.owners
    order = np.lexsort((-scores, owners))
    places = np.arange(len(order)) - found.offsets[owners]
    best = np.full((len(found.offsets) - 1, top), -1, np.int32)
    chosen = places < top
    best[owners[chosen], places[chosen]] = found.items[order[chosen]]
    return best
