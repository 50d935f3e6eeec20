"""Hand-made sessions, and the links that the formula of rules/covisitation.yaml gives for them: Spark and Ray must agree on it."""

from fractions import Fraction

from clickstream_contracts.covisitation import CoVisitation

# The weight of each neighbour of a product.
Links = dict[str, dict[str, Fraction]]

SESSIONS = [
    # `a` is viewed twice, two views apart.
    ["a", "b", "a", "c"],
    ["b", "c"],
    ["d"],
    # The two views of `e` are seven views apart, one more than the window.
    ["e", "g", "g", "g", "g", "g", "g", "e"],
]

PLAIN = CoVisitation(window=6, backward_weight=0.4, self_weight=0.0, repeats=False, per_item=50, normalise=False, look_back=10, decay=0.7)
NORMALISED = CoVisitation(
    window=6, backward_weight=0.4, self_weight=1.0, repeats=True, per_item=100, normalise=True, look_back=10, decay=0.7
)

BACK = Fraction(4, 10)
# Both ends of a run of six views: 1/1 + 1/2 + ... + 1/6 forward, and the same times 0.4 backward.
E_AND_G = (1 + BACK) * Fraction(49, 20)

PLAIN_LINKS: Links = {
    "a": {"b": 1 + BACK, "c": 1 + Fraction(1, 3)},
    # Two views apart in the first session, next to each other in the second.
    "b": {"a": 1 + BACK, "c": Fraction(1, 2) + 1},
    "c": {"a": BACK + BACK / 3, "b": BACK / 2 + BACK},
    "e": {"g": E_AND_G},
    "g": {"e": E_AND_G},
}

# All is divided by the views of the product: two of a, b, c and e, one of d, six of g. A view is also linked to itself (1),
# and to other views of the same product: those of `a` are two views apart, those of `g` are 5 pairs at distance 1, 4 at 2, ...
NORMALISED_LINKS: Links = {
    "a": {"a": (2 + (1 + BACK) / 2) / 2, "b": (1 + BACK) / 2, "c": Fraction(4, 3) / 2},
    "b": {"a": (1 + BACK) / 2, "b": Fraction(1), "c": Fraction(3, 2) / 2},
    "c": {"a": (BACK + BACK / 3) / 2, "b": (BACK + BACK / 2) / 2, "c": Fraction(1)},
    "d": {"d": Fraction(1)},
    "e": {"e": Fraction(1), "g": E_AND_G / 2},
    "g": {"e": E_AND_G / 6, "g": (6 + (1 + BACK) * (5 + Fraction(4, 2) + Fraction(3, 3) + Fraction(2, 4) + Fraction(1, 5))) / 6},
}
