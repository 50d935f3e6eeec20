"""Statistics of a stream of events, for comparing the simulator with real shops."""

from collections import defaultdict

import numpy as np

from tools.shop.rows import Rows, type_code


def views(rows: Rows) -> Rows:
    """The views, session by session in order of time."""
    seen = rows[rows["type"] == type_code("view_item")]
    return np.asarray(seen[np.lexsort((seen["time"], seen["session"]))])


def mix(rows: Rows) -> dict[str, float]:
    """Shares of view, cart and purchase among the three."""
    counts = {name: int((rows["type"] == type_code(name)).sum()) for name in ("view_item", "add_to_cart", "purchase")}
    return {name: 100 * count / sum(counts.values()) for name, count in counts.items()}


def session_lengths(rows: Rows) -> np.ndarray:
    """Median, p75, p90, p99 of views per session."""
    return np.quantile(np.unique(views(rows)["session"], return_counts=True)[1], [0.5, 0.75, 0.9, 0.99])


def gaps(rows: Rows) -> np.ndarray:
    """p10, p25, median, p75, p90, p99 of seconds between views of a session."""
    seen = views(rows)
    same = seen["session"][1:] == seen["session"][:-1]
    return np.asarray(np.quantile(np.diff(seen["time"])[same] / 1000, [0.1, 0.25, 0.5, 0.75, 0.9, 0.99]))


def popularity(rows: Rows) -> np.ndarray:
    """Views of each product that has any, most viewed first."""
    return np.asarray(np.sort(np.unique(views(rows)["product"], return_counts=True)[1])[::-1])


def top_share(counts: np.ndarray, share: float, catalogue: int) -> float:
    """Percent of the clicks on the top `share` of the catalogue."""
    return float(100 * counts[: int(catalogue * share)].sum() / counts.sum())


def slope(counts: np.ndarray) -> float:
    """Log-log slope of ranks 10 to 3000."""
    ranks = np.unique(np.geomspace(10, 3000, 60).astype(int))
    return float(-np.polyfit(np.log(ranks), np.log(counts[ranks - 1]), 1)[0])


def immediate_repeats(rows: Rows) -> float:
    """Percent of following views that show the same product again."""
    seen = views(rows)
    same = seen["session"][1:] == seen["session"][:-1]
    return float(100 * (seen["product"][1:] == seen["product"][:-1])[same].mean())


def hit_rates(rows: Rows, queries: int = 4000) -> tuple[float, float]:
    """HR@20 of the next view by co-visitation and by popularity; learned on the first 90 % of sessions, asked on the rest."""
    seen = views(rows)
    split = np.quantile(seen["time"], 0.9)
    train, ask = seen[seen["time"] < split], seen[seen["time"] >= split]
    pairs: defaultdict[int, defaultdict[int, float]] = defaultdict(lambda: defaultdict(float))
    for distance in (1, 2, 3):
        same = train["session"][distance:] == train["session"][:-distance]
        for left, right in zip(train["product"][:-distance][same].tolist(), train["product"][distance:][same].tolist(), strict=True):
            pairs[left][right] += 1 / distance
            pairs[right][left] += 0.4 / distance
    products, counts = np.unique(train["product"], return_counts=True)
    top = set(products[np.argsort(counts)[::-1][:20]].tolist())
    same = np.flatnonzero(ask["session"][1:] == ask["session"][:-1])[:queries]
    asked = [(int(ask["product"][i]), int(ask["product"][i + 1])) for i in same]
    near = {query: set(sorted(pairs[query], key=lambda p: -pairs[query][p])[:20]) for query, _ in asked}
    return 100 * sum(right in near[left] for left, right in asked) / len(asked), 100 * sum(right in top for _, right in asked) / len(asked)
