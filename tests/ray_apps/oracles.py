"""Reference implementations of the retrievers and metrics in plain Python, as their papers describe them; slow."""

from collections import Counter, defaultdict
from math import exp, log, sqrt

Session = list[int]
Scores = dict[int, float]


def covisitation(sessions: list[Session], query: Session, per_item: int = 100) -> Scores:
    """Pairs at most 6 apart count 1 / distance forward and 0.4 / distance back, a view itself 1, all per view of the source.

    A view of the query k steps before the last counts 0.7^k, for the last ten views.
    """
    views = Counter(item for session in sessions for item in session)
    links: dict[int, Scores] = defaultdict(lambda: defaultdict(float))
    for session in sessions:
        for i, source in enumerate(session):
            for j, target in enumerate(session):
                if abs(i - j) <= 6:
                    links[source][target] += 1.0 if i == j else (1.0 if j > i else 0.4) / abs(i - j)
    scores: Scores = defaultdict(float)
    for steps, item in enumerate(reversed(query[-10:])):
        for target, weight in sorted(links[item].items(), key=lambda pair: (-pair[1], pair[0]))[:per_item]:
            scores[target] += 0.7**steps * weight / views[item]
    return scores


def rarity(sessions: list[Session], idf: float) -> Scores:
    """1 + idf * ln(sessions / views) of each item."""
    views = Counter(item for session in sessions for item in session)
    return {item: 1 + idf * max(log(len(sessions) / count), 0) for item, count in views.items()}


def nearest(similarities: Scores, matches: dict[int, int], count: int) -> list[int]:
    """The most similar sessions; among equals those that share a later view of the query, then the newest."""
    return sorted(similarities, key=lambda session: (-similarities[session], matches[session], -session))[:count]


def shared(sessions: list[Session], query: Session) -> tuple[dict[int, list[int]], dict[int, int]]:
    """The items that each session shares with the query, the latest view first, and how many steps back that is."""
    latest = list(dict.fromkeys(reversed(query)))
    common = {number: [item for item in latest if item in session] for number, session in enumerate(sessions)}
    return common, {number: query[::-1].index(items[0]) + 1 for number, items in common.items() if items}


def vsknn(sessions: list[Session], query: Session, neighbours: int) -> Scores:
    """V-SKNN: quadratic weights by position, a neighbour's items weighed by 1 / steps to the last match, idf 10."""
    weights = {item: (position / len(query)) ** 2 for position, item in enumerate(query, 1)}
    norm = sqrt(sum(weight**2 for weight in weights.values()))
    common, matches = shared(sessions, query)
    similarities = {number: sum(weights[item] for item in common[number]) / norm for number in matches}
    rare, scores = rarity(sessions, 10), defaultdict[int, float](float)
    for number in nearest(similarities, matches, neighbours):
        for item in set(sessions[number]):
            scores[item] += similarities[number] / matches[number] * rare[item]
    return scores


def vstan(sessions: list[Session], query: Session, neighbours: int) -> Scores:
    """VSTAN: exponential decays by position, age, match and distance, cosine similarity, idf 5."""
    mean = sum(map(len, sessions)) / len(sessions)
    weights = {item: exp((position - len(query)) / mean) for position, item in enumerate(query, 1)}
    norm = sqrt(sum(weight**2 for weight in weights.values()))
    common, matches = shared(sessions, query)
    similarities = {}
    for number in matches:
        age = (len(sessions) - 1 - number) / (len(sessions) - 1)
        cosine = sum(weights[item] for item in common[number]) / norm / sqrt(len(set(sessions[number])))
        similarities[number] = cosine * exp(-age / 0.55)
    rare, scores = rarity(sessions, 5), defaultdict[int, float](float)
    for number in nearest(similarities, matches, neighbours):
        last = {item: position for position, item in enumerate(sessions[number])}
        star = max(position for item, position in last.items() if item in query)
        for item, position in last.items():
            decays = exp((1 - matches[number]) / (mean / 2)) * exp(-abs(position - star) / (mean / 2))
            scores[item] += similarities[number] * decays * rare[item]
    return scores


def metrics(ranking: Session, label: int) -> tuple[float, float]:
    """HR@20 and MRR@20 of one query."""
    for position, item in enumerate(ranking[:20], 1):
        if item == label:
            return 1.0, 1 / position
    return 0.0, 0.0
