"""Nearest sessions: V-SKNN and VSTAN, two settings of one formula.

Both follow Ludewig et al., "Empirical analysis of session-based recommendation algorithms" (2020). A query's view at
place p of n weighs (p / n)^position_power * exp((p - n) / position_decay); an item seen twice counts at its last place.
A session's similarity is the sum of the weights of the items it shares over their norm, times
exp(-age / age_decay) / size^length_power. Each of the most similar sessions votes for its items with
similarity * m^-match_power * exp((1 - m) / match_decay) * exp(-d / distance_decay) * (1 + idf * ln(sessions / views)),
m being the steps from the query's end to the last item shared, d the views of the neighbour between the two. Of equally
similar sessions those are taken that share a later view, then the newest.
"""

from typing import NamedTuple

import numpy as np

from ray_apps.recommender.compiled import compiled
from ray_apps.recommender.kernels import answer, keep_best, mark_steps, unmark_steps
from ray_apps.recommender.sessions import Bools, Floats, Found, Ints, Longs, Queries, Sessions, offsets_of


class Weights(NamedTuple):
    """How much a shared item, an old session and a distant view count; infinity switches a decay off."""

    neighbours: int = 500
    recent: int = 5000
    position_power: float = 0.0
    position_decay: float = np.inf
    match_power: float = 0.0
    match_decay: float = np.inf
    distance_decay: float = np.inf
    age_decay: float = np.inf
    length_power: float = 0.0
    idf: float = 0.0


def vsknn() -> Weights:
    """V-SKNN: quadratic in the place within the query, 1 / m for the match, idf 10."""
    return Weights(position_power=2.0, match_power=1.0, idf=10.0)


def vstan(mean_length: float) -> Weights:
    """VSTAN, its decays in units of the shop's own mean session length and of the span of its sessions."""
    half = 0.5 * mean_length
    return Weights(position_decay=mean_length, match_decay=half, distance_decay=half, age_decay=0.55, length_power=0.5, idf=5.0)


class Postings(NamedTuple):
    """Sessions by item: item i is in `owners[starts[i]:starts[i + 1]]`, the newest first.

    Session s holds `items[offsets[s]:offsets[s + 1]]`; `last` tells where an item does not come again in its session.
    """

    offsets: Longs
    items: Ints
    last: Bools
    starts: Longs
    owners: Ints


def post(sessions: Sessions, item_count: int) -> Postings:
    """Index sessions of items 0 .. item_count - 1."""
    owners = sessions.owners
    last = last_views(owners * item_count + sessions.items)
    order = np.lexsort((-owners[last], sessions.items[last]))
    starts = offsets_of(np.bincount(sessions.items[last], minlength=item_count))
    return Postings(sessions.offsets, sessions.items, last, starts, owners[last][order].astype(np.int32))


def last_views(keys: Longs) -> Bools:
    """Where each key stands for the last time."""
    last = np.zeros(len(keys), np.bool_)
    last[len(keys) - 1 - np.unique(keys[::-1], return_index=True)[1]] = True
    return last


class Neighbours(NamedTuple):
    """A retriever: the sessions, the weights, and what of them does not depend on the query."""

    postings: Postings
    weights: Weights
    prior: Floats
    rarity: Floats

    @classmethod
    def of(cls, sessions: Sessions, postings: Postings, weights: Weights) -> "Neighbours":
        """Prepare one setting of the formula for an index of `sessions`."""
        sizes = np.maximum(np.bincount(sessions.owners[postings.last], minlength=len(sessions)), 1)
        prior = np.exp(-sessions.ages() / weights.age_decay) / sizes**weights.length_power
        views = np.bincount(sessions.items, minlength=len(postings.starts) - 1)
        rarity = 1 + weights.idf * np.log(np.maximum(len(sessions) / np.maximum(views, 1), 1))
        return cls(postings, weights, prior, rarity)

    def find(self, queries: Queries, top: int) -> Found:
        """The `top` items for each query."""
        found = Found.nothing(queries, top)
        _find(self.postings, self.weights, self.prior, self.rarity, queries.items, queries.begin, queries.end, found)
        return found


@compiled
def _find(postings: Postings, weights: Weights, prior: Floats, rarity: Floats, items: Ints, begin: Longs, end: Longs, found: Found) -> None:
    similarity, votes, steps = np.zeros(len(prior)), np.zeros(len(rarity)), np.zeros(len(rarity), np.int64)
    sessions, candidates = np.empty(len(prior), np.int32), np.empty(len(rarity), np.int32)
    for number in range(len(begin)):
        query = items[begin[number] : end[number]]
        mark_steps(query, steps)
        count = _similar(postings, weights, prior, query, steps, similarity, sessions)
        values = similarity[sessions[:count]] * prior[sessions[:count]]
        similarity[sessions[:count]] = 0.0
        kept = keep_best(sessions, values, count, weights.neighbours)
        count = _vote(postings, weights, rarity, steps, sessions[:kept], values, votes, candidates)
        answer(candidates, votes, count, found.items[number], found.scores[number])
        unmark_steps(query, steps)


@compiled
def _similar(postings: Postings, weights: Weights, prior: Floats, query: Ints, steps: Longs, similarity: Floats, sessions: Ints) -> int:
    """Add up what each session shares with the query. Returns how many share something; `sessions` names them."""
    count, length, norm = 0, len(query), 0.0
    for place in range(length, 0, -1):
        item = query[place - 1]
        if steps[item] != length - place + 1:
            continue
        weight = (place / length) ** weights.position_power * np.exp((place - length) / weights.position_decay)
        norm += weight * weight
        first = postings.starts[item]
        for at in range(first, min(postings.starts[item + 1], first + weights.recent)):
            session = postings.owners[at]
            if similarity[session] == 0.0:
                sessions[count] = session
                count += 1
            similarity[session] += weight
    similarity[sessions[:count]] /= np.sqrt(norm)
    return count


@compiled
def _vote(
    postings: Postings, weights: Weights, rarity: Floats, steps: Longs, sessions: Ints, values: Floats, votes: Floats, candidates: Ints
) -> int:
    """Add up the sessions' votes. Returns how many items got some; `candidates` names them."""
    count = 0
    for number in range(len(sessions)):
        begin, end = postings.offsets[sessions[number]], postings.offsets[sessions[number] + 1]
        shared, match = begin, len(steps)
        for at in range(begin, end):
            step = steps[postings.items[at]]
            if step:
                shared, match = at, min(match, step)
        value = values[number] * match**-weights.match_power * np.exp((1 - match) / weights.match_decay)
        for at in range(begin, end):
            if postings.last[at]:
                item = postings.items[at]
                if votes[item] == 0.0:
                    candidates[count] = item
                    count += 1
                votes[item] += value * np.exp(-abs(at - shared) / weights.distance_decay) * rarity[item]
    return count
