"""Hand-made sessions, and the links that the formula of rules/covisitation.yaml gives for them: Spark and Ray must agree on it."""

Links = dict[str, list[tuple[str, float]]]

SESSIONS = [
    # `a` is viewed twice, two views apart.
    ["a", "b", "a", "c"],
    ["b", "c"],
    ["d"],
    # The two views of `e` are seven views apart, one more than the window.
    ["e", "g", "g", "g", "g", "g", "g", "e"],
]

# Links of each product with the parameters of `item_neighbours`, the heaviest first. 3.43 = (1 + 0.4) * (1/1 + 1/2 + ... + 1/6).
ITEM_NEIGHBOURS: Links = {
    "a": [("b", 1.4), ("c", 4 / 3)],
    "b": [("c", 1.5), ("a", 1.4)],
    "c": [("b", 0.6), ("a", 8 / 15)],
    "d": [],
    "e": [("g", 3.43)],
    "g": [("e", 3.43)],
}

# The same with the parameters of `retriever`: a view is linked to itself and to other views of the same product, and all
# is divided by the views of the product (two of a, b, c and e, one of d, six of g).
RETRIEVER: Links = {
    "a": [("a", (2 + 0.7) / 2), ("b", 1.4 / 2), ("c", 4 / 3 / 2)],
    "b": [("b", 1.0), ("c", 1.5 / 2), ("a", 1.4 / 2)],
    "c": [("c", 1.0), ("b", 0.6 / 2), ("a", 8 / 15 / 2)],
    "d": [("d", 1.0)],
    "e": [("g", 3.43 / 2), ("e", 1.0)],
    # Six views of `g` in a row: 5 pairs at distance 1, 4 at distance 2 and so on.
    "g": [("g", (6 + 1.4 * (5 / 1 + 4 / 2 + 3 / 3 + 2 / 4 + 1 / 5)) / 6), ("e", 3.43 / 6)],
}
