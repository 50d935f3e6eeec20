"""Statistics of events, to compare the simulator with real shops."""

from collections import defaultdict

import numpy as np

from tools.shop.rows import Rows, type_code


def views(rows: Rows) -> Rows:
    """Returns the product views ordered by session and time."""
    viewed = rows[rows["type"] == type_code("view_item")]
    return np.asarray(viewed[np.lexsort((viewed["time"], viewed["session"]))])


def mix(rows: Rows) -> dict[str, float]:
    """Returns the percentages of views, carts and purchases among the three."""
    counts = {name: int((rows["type"] == type_code(name)).sum()) for name in ("view_item", "add_to_cart", "purchase")}
    return {name: 100 * count / sum(counts.values()) for name, count in counts.items()}


def session_lengths(rows: Rows) -> np.ndarray:
    """Returns median, p75, p90, p99 of views per session."""
    return np.quantile(np.unique(views(rows)["session"], return_counts=True)[1], [0.5, 0.75, 0.9, 0.99])


def gaps(rows: Rows) -> np.ndarray:
    """Returns p10, p25, median, p75, p90, p99 of the seconds between views of a session."""
    ordered = views(rows)
    same = ordered["session"][1:] == ordered["session"][:-1]
    return np.asarray(np.quantile(np.diff(ordered["time"])[same] / 1000, [0.1, 0.25, 0.5, 0.75, 0.9, 0.99]))


def popularity(rows: Rows) -> np.ndarray:
    """Returns the number of views of each viewed product, the highest first."""
    return np.asarray(np.sort(np.unique(views(rows)["product"], return_counts=True)[1])[::-1])


def top_share(counts: np.ndarray, share: float, catalogue: int) -> float:
    """Returns the percentage of views of the top `share` of the catalogue."""
    return float(100 * counts[: int(catalogue * share)].sum() / counts.sum())


def slope(counts: np.ndarray) -> float:
    """Returns the log-log slope of popularity over ranks 10 to 3000."""
    ranks = np.unique(np.geomspace(10, 3000, 60).astype(int))
    return float(-np.polyfit(np.log(ranks), np.log(counts[ranks - 1]), 1)[0])


def immediate_repeats(rows: Rows) -> float:
    """Returns the percentage of views of the same product as the view before in the session."""
    ordered = views(rows)
    same = ordered["session"][1:] == ordered["session"][:-1]
    return float(100 * (ordered["product"][1:] == ordered["product"][:-1])[same].mean())


def hit_rates(rows: Rows, queries: int = 4000) -> tuple[float, float]:
    """Returns HR@20 in percent of the next view by co-visitation and by popularity, trained on the first 90 % of the time."""
    ordered = views(rows)
    split = np.quantile(ordered["time"], 0.9)
    train, test = ordered[ordered["time"] < split], ordered[ordered["time"] >= split]
    pairs: defaultdict[int, defaultdict[int, float]] = defaultdict(lambda: defaultdict(float))
    for distance in (1, 2, 3):
        same = train["session"][distance:] == train["session"][:-distance]
        for left, right in zip(train["product"][:-distance][same].tolist(), train["product"][distance:][same].tolist(), strict=True):
            pairs[left][right] += 1 / distance
            pairs[right][left] += 0.4 / distance
    products, counts = np.unique(train["product"], return_counts=True)
    popular = set(products[np.argsort(counts)[::-1][:20]].tolist())
    same = np.flatnonzero(test["session"][1:] == test["session"][:-1])[:queries]
    steps = [(int(test["product"][i]), int(test["product"][i + 1])) for i in same]
    neighbours = {query: set(sorted(pairs[query], key=lambda p: -pairs[query][p])[:20]) for query, _ in steps}
    hits_by_neighbours = sum(following in neighbours[query] for query, following in steps)
    hits_by_popularity = sum(following in popular for _, following in steps)
    return 100 * hits_by_neighbours / len(steps), 100 * hits_by_popularity / len(steps)
