"""The two-stage recommender: candidates of the retrievers, ranked by LightGBM's LambdaRank.

No training row depends on later views. For training, the retrievers are fitted to the oldest sessions only; the queries
of the newer sessions become the ranker's rows, and the newest of them decide when boosting stops. The finished model has
retrievers that are fitted to all sessions.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import lightgbm as lgb
import numpy as np

from ray_apps.common.progress import Progress
from ray_apps.recommender.covisitation import linked
from ray_apps.recommender.features import CandidateRows, FeatureTable, candidate_rows, feature_names, select
from ray_apps.recommender.index import Index
from ray_apps.recommender.retrievers import COVISITATION, RetrievalConfig
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
    """There are too few sessions to train on."""


@dataclass(frozen=True)
class Recipe:
    """How a model is trained. Shares are of sessions in time order.

    The retrievers are fitted to the oldest `index_share` of the sessions, or to less, down to `least_index_share`, while
    the rest holds fewer than `least_queries`. Of the rest, the newest `stop_share` decides when boosting stops: after
    `patience` rounds without a gain. The ranker learns from a random `negatives_share` of the candidates that are not the
    label: half of them give the same quality in half the time.
    """

    index_share: float = 0.93
    least_index_share: float = 0.7
    least_queries: int = 20_000
    stop_share: float = 0.15
    most_queries: int = 60_000
    negatives_share: float = 0.5
    rounds: int = 600
    patience: int = 40
    seed: int = 7
    parameters: dict[str, Any] = field(default_factory=lambda: PARAMETERS)
    retrieval: RetrievalConfig = field(default_factory=RetrievalConfig)


class TrainingRows(NamedTuple):
    """Rows of queries whose label is among their candidates: features, 1 for the label and 0 else, and rows per query."""

    features: FeatureTable
    labels: Ints
    sizes: Longs
    names: tuple[str, ...]

    def sample(self, queries: int, seed: int) -> "TrainingRows":
        """The rows of this many random queries, in their order; all rows if there are no more queries."""
        selected = np.zeros(len(self.sizes), np.bool_)
        selected[np.random.default_rng(seed).permutation(len(self.sizes))[:queries]] = True
        rows = np.repeat(selected, self.sizes)
        return TrainingRows(self.features[rows], self.labels[rows], self.sizes[selected], self.names)


@dataclass(frozen=True)
class Search:
    """The best recipe of a search, and each trial as a plain row: parameters, metric, trees, seconds, state."""

    recipe: Recipe
    trials: list[dict[str, Any]]


Tune = Callable[[TrainingRows, TrainingRows, Recipe], Search]


def no_search(learn: TrainingRows, stop: TrainingRows, recipe: Recipe) -> Search:
    """Keep the recipe without any trial."""
    return Search(recipe, [])


@dataclass(frozen=True)
class Model:
    """A trained recommender. The trees name their features, so they can rank any table that has columns of these names."""

    index: Index
    booster: lgb.Booster

    @cached_property
    def features(self) -> tuple[str, ...]:
        """Names of the features that the trees were trained on, in their order."""
        return tuple(self.booster.feature_name())

    def rank(self, queries: Queries, top: int) -> Ints:
        """The `top` items for each query, best first, filled up with the most viewed ones."""
        rows = candidate_rows(self.index, queries)
        # LightGBM raises an error for a table without rows.
        scores = np.zeros(0)
        if len(rows.features):
            scores = np.asarray(self.booster.predict(select(rows.features, self.index.retrieval, self.features)))
        return self.index.popularity.fill(_highest(rows, scores, top))

    def similar(self, item: int, top: int) -> tuple[Ints, Floats]:
        """The `top` other items that are co-visited with this one most, and how much; none if the model has no co-visitation."""
        if COVISITATION not in self.index.retrieval.links_from:
            return np.zeros(0, np.int32), np.zeros(0)
        items, weights = linked(self.index.links(COVISITATION), item)
        others = items != item
        return items[others][:top], weights[others][:top]

    def popular(self, top: int) -> Ints:
        """The `top` most viewed items."""
        return self.index.popularity.items[:top]


def train(sessions: Sessions, item_count: int, recipe: Recipe, progress: Progress, tune: Tune = no_search) -> tuple[Model, Search]:
    """Train on sessions of items 0 .. item_count - 1, by the recipe that `tune` returns. Raises TooFewSessions."""
    learn, stop = training_rows(sessions, item_count, recipe, progress)
    search = tune(learn, stop, recipe)
    index = Index(sessions.shortened(recipe.retrieval.longest_session), item_count, recipe.retrieval)
    model = Model(index, fit(learn, stop, search.recipe, progress))
    progress.log(f"ranker: {model.booster.best_iteration} trees from {len(learn.features):,} rows")
    return model, search


def training_rows(sessions: Sessions, item_count: int, recipe: Recipe, progress: Progress) -> tuple[TrainingRows, TrainingRows]:
    """The rows that the ranker learns from, and the rows that decide when it stops."""
    past, learn, stop = split(sessions.shortened(recipe.retrieval.longest_session), recipe)
    index = Index(past, item_count, recipe.retrieval)
    learn_rows = rows_of(index, learn, recipe.negatives_share, recipe.seed, progress)
    return learn_rows, rows_of(index, stop, 1.0, recipe.seed, progress)


def fit(learn: TrainingRows, stop: TrainingRows, recipe: Recipe, progress: Progress) -> lgb.Booster:
    """Boost until the ranking of `stop` gains no more; the same rows and recipe give the same trees."""
    parameters = recipe.parameters | {"seed": recipe.seed}
    data = lgb.Dataset(learn.features, learn.labels, group=learn.sizes, feature_name=list(learn.names), params=parameters)
    newest = lgb.Dataset(stop.features, stop.labels, group=stop.sizes, reference=data)
    stopping = lgb.early_stopping(recipe.patience, verbose=False)

    def report(state: Any) -> None:
        progress.log_sometimes(f"ranker: {state.iteration + 1} trees")

    return lgb.train(parameters, data, recipe.rounds, valid_sets=[newest], callbacks=[report, stopping])


def split(sessions: Sessions, recipe: Recipe) -> tuple[Sessions, Queries, Queries]:
    """The sessions of the first index, the queries to learn from, and the newest queries, which decide when boosting stops."""
    end = _index_end(sessions, recipe)
    queries = prefixes(sessions.between(end, len(sessions)))
    queries = queries.between(max(0, len(queries) - recipe.most_queries), len(queries))
    if end < 1 or len(queries) < 20:
        raise TooFewSessions(
            f"{len(sessions)} sessions are too few to train on: the newest {1 - recipe.index_share:.0%} hold {len(queries)} queries"
        )
    # The queries of one session must not be divided.
    groups = np.unique(queries.groups)
    newest = queries.groups >= groups[int(len(groups) * (1 - recipe.stop_share))]
    return sessions.between(0, end), queries.where(~newest), queries.where(newest)


def _index_end(sessions: Sessions, recipe: Recipe) -> int:
    """Number of the oldest sessions that the first index is fitted to."""
    most, least = (int(len(sessions) * share) for share in (recipe.index_share, recipe.least_index_share))
    queries_from = np.cumsum((np.diff(sessions.offsets) - 1)[::-1])[::-1]
    return int(np.clip(np.sum(queries_from >= recipe.least_queries) - 1, least, most))


def rows_of(index: Index, queries: Queries, negatives_share: float, seed: int, progress: Progress) -> TrainingRows:
    """The training rows of the queries whose label is among their candidates."""
    generator = np.random.default_rng(seed)
    batches = []
    for batch in progress.batches("the ranker's rows", queries):
        rows = candidate_rows(index, batch)
        drawn = generator.random(len(rows.items)) < negatives_share
        batches.append(_with_label(rows, rows.are_labels(batch.labels), drawn))
    features, labels, sizes = (np.concatenate(column) for column in zip(*batches, strict=True))
    return TrainingRows(features, labels, sizes, feature_names(index.retrieval))


def _with_label(rows: CandidateRows, is_label: Bools, drawn: Bools) -> tuple[FeatureTable, Ints, Longs]:
    """The labels and the drawn candidates of the queries that have their label among the candidates."""
    owners = rows.owners
    has_label = np.bincount(owners, weights=is_label, minlength=len(rows.offsets) - 1) > 0
    kept = has_label[owners] & (is_label | drawn)
    sizes = np.bincount(owners[kept], minlength=len(has_label))[has_label]
    return rows.features[kept], is_label[kept].astype(np.int32), sizes


def _highest(rows: CandidateRows, scores: Floats, top: int) -> Ints:
    """The `top` candidates of each query by their scores; among equals in the order of the rows."""
    owners = rows.owners
    order = np.lexsort((-scores, owners))
    ranks = np.arange(len(order)) - rows.offsets[owners]
    lists = np.full((len(rows.offsets) - 1, top), -1, np.int32)
    in_list = ranks < top
    lists[owners[in_list], ranks[in_list]] = rows.items[order[in_list]]
    return lists
