"""The session k-NN retrievers V-SKNN and VSTAN: one formula with two sets of parameters.

Both follow Ludewig et al., "Empirical analysis of session-based recommendation algorithms" (2020). A query's view at
position p of n weighs (p / n)^position_power * exp((p - n) / position_decay); an item viewed twice counts at its last
position. The similarity of a session is the sum of the weights of the items it shares over their norm, times
exp(-age / age_decay) / size^length_power. Each of the most similar sessions votes for its items with
similarity * m^-match_power * exp((1 - m) / match_decay) * exp(-d / distance_decay) * (1 + idf * ln(sessions / views)),
where m is the number of steps from the query's end to the last shared item and d the number of views in the similar
session between that item and the one voted for. Among equally similar sessions those that share a later view of the
query come first, then the newest.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self
from weakref import WeakKeyDictionary

import numpy as np

from ray_apps.recommender.compiled import compiled
from ray_apps.recommender.kernels import clear_steps, keep_highest, mark_steps, take_top
from ray_apps.recommender.retriever import Candidates, Retriever
from ray_apps.recommender.sessions import Bools, Floats, Ints, Longs, Queries, Sessions, offsets_of


@dataclass(frozen=True)
class SessionKnnParameters:
    """Parameters of the formula. A decay that is None is switched off.

    `position_decay`, `match_decay` and `distance_decay` are in mean session lengths, `age_decay` in time spans of all
    sessions. `neighbours` sessions vote, chosen from the newest `recent` sessions of each item of the query.
    """

    neighbours: int = 500
    recent: int = 5000
    position_power: float = 0.0
    position_decay: float | None = None
    match_power: float = 0.0
    match_decay: float | None = None
    distance_decay: float | None = None
    age_decay: float | None = None
    length_power: float = 0.0
    idf: float = 0.0


VSKNN = SessionKnnParameters(position_power=2.0, match_power=1.0, idf=10.0)
VSTAN = SessionKnnParameters(position_decay=1.0, match_decay=0.5, distance_decay=0.5, age_decay=0.55, length_power=0.5, idf=5.0)


class Weights(NamedTuple):
    """The parameters as the kernels use them: decays in views, infinity for one that is switched off."""

    neighbours: int
    recent: int
    position_power: float
    position_decay: float
    match_power: float
    match_decay: float
    distance_decay: float


class Postings(NamedTuple):
    """Sessions by item: item i was viewed in `owners[starts[i]:starts[i + 1]]`, the newest session first.

    Session s viewed `items[offsets[s]:offsets[s + 1]]`; `last` is true for the last view of an item in its session.
    """

    offsets: Longs
    items: Ints
    last: Bools
    starts: Longs
    owners: Ints


# V-SKNN and VSTAN of the same sessions share their postings. An entry lives as long as its sessions.
_POSTINGS: WeakKeyDictionary[Sessions, Postings] = WeakKeyDictionary()


@dataclass(frozen=True)
class SessionKnnRetriever(Retriever):
    """Sessions with their items, and the factors that do not depend on a query.

    `session_weight` is exp(-age / age_decay) / size^length_power, `item_weight` is 1 + idf * ln(sessions / views).
    """

    postings: Postings
    weights: Weights
    session_weight: Floats
    item_weight: Floats

    @classmethod
    def fit(cls, sessions: Sessions, item_count: int, parameters: SessionKnnParameters) -> Self:
        """Index the sessions by item."""
        postings = _postings(sessions, item_count)
        sizes = np.maximum(np.bincount(sessions.owners[postings.last], minlength=len(sessions)), 1)
        session_weight = np.exp(-sessions.ages() / _decay(parameters.age_decay)) / sizes**parameters.length_power
        views = np.bincount(sessions.items, minlength=item_count)
        item_weight = 1 + parameters.idf * np.log(np.maximum(len(sessions) / np.maximum(views, 1), 1))
        return cls(postings, _weights(parameters, sessions.mean_length), session_weight, item_weight)

    def candidates(self, queries: Queries, top: int) -> Candidates:
        """The `top` items with the most votes for each query."""
        candidates = Candidates.empty(queries, top)
        _vote_all(
            self.postings,
            self.weights,
            self.session_weight,
            self.item_weight,
            queries.items,
            queries.begin,
            queries.end,
            candidates,
        )
        return candidates


def _weights(parameters: SessionKnnParameters, mean_length: float) -> Weights:
    return Weights(
        neighbours=parameters.neighbours,
        recent=parameters.recent,
        position_power=parameters.position_power,
        position_decay=mean_length * _decay(parameters.position_decay),
        match_power=parameters.match_power,
        match_decay=mean_length * _decay(parameters.match_decay),
        distance_decay=mean_length * _decay(parameters.distance_decay),
    )


def _decay(decay: float | None) -> float:
    return np.inf if decay is None else decay


def _postings(sessions: Sessions, item_count: int) -> Postings:
    """The postings of these sessions, from the cache if another retriever has made them."""
    postings = _POSTINGS.get(sessions)
    if postings is None or len(postings.starts) != item_count + 1:
        postings = _POSTINGS[sessions] = _make_postings(sessions, item_count)
    return postings


def _make_postings(sessions: Sessions, item_count: int) -> Postings:
    owners = sessions.owners
    last = _last_occurrences(owners * item_count + sessions.items)
    order = np.lexsort((-owners[last], sessions.items[last]))
    starts = offsets_of(np.bincount(sessions.items[last], minlength=item_count))
    return Postings(sessions.offsets, sessions.items, last, starts, owners[last][order].astype(np.int32))


def _last_occurrences(keys: Longs) -> Bools:
    """True where a key occurs for the last time."""
    last = np.zeros(len(keys), np.bool_)
    last[len(keys) - 1 - np.unique(keys[::-1], return_index=True)[1]] = True
    return last


@compiled
def _vote_all(
    postings: Postings,
    weights: Weights,
    session_weight: Floats,
    item_weight: Floats,
    items: Ints,
    begin: Longs,
    end: Longs,
    candidates: Candidates,
) -> None:
    similarity, votes, steps = np.zeros(len(session_weight)), np.zeros(len(item_weight)), np.zeros(len(item_weight), np.int64)
    similar, voted = np.empty(len(session_weight), np.int32), np.empty(len(item_weight), np.int32)
    for number in range(len(begin)):
        query = items[begin[number] : end[number]]
        mark_steps(query, steps)
        count = _find_similar(postings, weights, query, steps, similarity, similar)
        values = similarity[similar[:count]] * session_weight[similar[:count]]
        similarity[similar[:count]] = 0.0
        kept = keep_highest(similar, values, count, weights.neighbours)
        count = _vote(postings, weights, item_weight, steps, similar[:kept], values, votes, voted)
        take_top(voted, votes, count, candidates.items[number], candidates.scores[number])
        clear_steps(query, steps)


@compiled
def _find_similar(postings: Postings, weights: Weights, query: Ints, steps: Longs, similarity: Floats, similar: Ints) -> int:
    """Add up the weights of what each session shares with the query. Returns the number of sessions written to `similar`."""
    count, length, norm = 0, len(query), 0.0
    for position in range(length, 0, -1):
        item = query[position - 1]
        if steps[item] != length - position + 1:
            # Only the last view of an item counts.
            continue
        weight = (position / length) ** weights.position_power * np.exp((position - length) / weights.position_decay)
        norm += weight * weight
        first = postings.starts[item]
        for posting in range(first, min(postings.starts[item + 1], first + weights.recent)):
            session = postings.owners[posting]
            if similarity[session] == 0.0:
                similar[count] = session
                count += 1
            similarity[session] += weight
    similarity[similar[:count]] /= np.sqrt(norm)
    return count


@compiled
def _vote(
    postings: Postings,
    weights: Weights,
    item_weight: Floats,
    steps: Longs,
    sessions: Ints,
    similarity: Floats,
    votes: Floats,
    voted: Ints,
) -> int:
    """Add up the votes of the similar sessions. Returns the number of items written to `voted`."""
    count = 0
    for number in range(len(sessions)):
        begin, end = postings.offsets[sessions[number]], postings.offsets[sessions[number] + 1]
        shared, match = begin, len(steps)
        for position in range(begin, end):
            step = steps[postings.items[position]]
            if step:
                shared, match = position, min(match, step)
        value = similarity[number] * match**-weights.match_power * np.exp((1 - match) / weights.match_decay)
        for position in range(begin, end):
            if postings.last[position]:
                item = postings.items[position]
                if votes[item] == 0.0:
                    voted[count] = item
                    count += 1
                votes[item] += value * np.exp(-abs(position - shared) / weights.distance_decay) * item_weight[item]
    return count
