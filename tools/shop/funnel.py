"""The funnel beside product views: searches, logins, carts, checkouts, payments, purchases and refunds."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from tools.shop import calibration as c
from tools.shop.rows import Floats, Ints, Rows, type_code
from tools.shop.visits import REFUND_BIT
from tools.shop.world import World


@dataclass(frozen=True)
class Sessions:
    """The sessions of a window: one row with shared values for each, all views, and the index of each session's first and last view."""

    base: Rows
    views: Rows
    first: Ints
    last: Ints

    def sample(self, shares: float | Floats, rng: Generator) -> Ints:
        """Returns the numbers of sessions drawn with the given probability, one for all or one for each."""
        return np.flatnonzero(rng.random(len(self.base)) < shares)

    def random_view(self, sessions: Ints, rng: Generator) -> Rows:
        """Returns a random view of each session."""
        length = self.last[sessions] - self.first[sessions] + 1
        return self.views[self.first[sessions] + (rng.random(len(sessions)) * length).astype(np.int64)]


def funnel_events(world: World, base: Rows, views: Rows, session: Ints, rng: Generator) -> Rows:
    """Returns all events of a window other than views; also sets `signed_in` of the views.

    base: one row for each session; session: the number of the session of each view, ascending.
    """
    edges = np.searchsorted(session, np.arange(len(base) + 1))
    sessions = Sessions(base, views, edges[:-1], edges[1:] - 1)
    # Logins come first: they decide which views carry a user, and the other events are copies of views.
    logins = _logins(sessions, session, rng)
    others = [_landings(sessions, rng), _searches(world, sessions, rng), _profile_changes(sessions, rng)]
    return np.concatenate([*logins, *others, *_carts_and_orders(sessions, rng)])


def _follow_up(rows: Rows, event_type: str, median_seconds: float, rng: Generator) -> Rows:
    """Returns a copy of `rows` as events of another type, a log-normal time later."""
    copy = rows.copy()
    copy["type"] = type_code(event_type)
    copy["time"] += (np.exp(rng.normal(np.log(median_seconds), 0.5, len(rows))) * 1000).astype(np.int64)
    copy["referrer"] = -1
    return copy


def _without_product(rows: Rows) -> Rows:
    rows["product"], rows["quantity"], rows["cents"] = -1, 0, 0
    return rows


def _landings(sessions: Sessions, rng: Generator) -> Rows:
    rows = sessions.base[sessions.sample(c.LANDING_SESSIONS, rng)].copy()
    rows["type"] = type_code("page_view")
    rows["time"] -= rng.integers(2_000, 30_000, len(rows))
    return rows


def _searches(world: World, sessions: Sessions, rng: Generator) -> Rows:
    """Searches some seconds before a view, for the department and shelf of the viewed product."""
    views = sessions.random_view(sessions.sample(c.SEARCHING_SESSIONS, rng), rng)
    rows = _without_product(_follow_up(views, "search", 1.0, rng))
    rows["time"] = views["time"] - rng.integers(1_000, 20_000, len(rows))
    rows["query"] = world.cluster_of[views["product"]] % (len(c.DEPARTMENTS) * len(c.SHELVES))
    return rows


def _profile_changes(sessions: Sessions, rng: Generator) -> Rows:
    rows = sessions.base[sessions.sample(c.PROFILE_CHANGES, rng)]
    return _without_product(_follow_up(rows[rows["signed_in"]], "profile_change", 60.0, rng))


def _logins(sessions: Sessions, session: Ints, rng: Generator) -> list[Rows]:
    """Logins and failed logins. A share of the signed-in sessions begins anonymously: its views before the login carry no user."""
    has_login = np.zeros(len(sessions.base), bool)
    has_login[sessions.sample(c.SIGN_IN_IN_SESSION, rng)] = True
    has_login &= sessions.base["signed_in"] & (sessions.last > sessions.first)
    logins = _without_product(_follow_up(sessions.views[sessions.first[has_login]], "login", 3.0, rng))
    login_time = np.full(len(sessions.base), -1)
    login_time[has_login] = logins["time"]
    sessions.views["signed_in"] &= sessions.views["time"] >= login_time[session]
    failed = logins[rng.random(len(logins)) < c.LOGIN_FAILED].copy()
    failed["type"] = type_code("login_failed")
    failed["time"] -= 1_500
    return [logins, failed]


def _carts_and_orders(sessions: Sessions, rng: Generator) -> list[Rows]:
    # Longer sessions buy more often.
    length = np.sqrt(sessions.last - sessions.first + 1)
    buying = sessions.sample(c.BUYING_SESSIONS * length / length.mean(), rng)
    with_cart = rng.random(len(buying)) < c.CART_BEFORE_PURCHASE
    bought_views = sessions.random_view(buying, rng)
    cart_only_views = sessions.random_view(sessions.sample(c.CART_ONLY_SESSIONS, rng), rng)
    carts = _follow_up(np.concatenate([bought_views[with_cart], cart_only_views]), "add_to_cart", 8.0, rng)
    second_carts = _follow_up(carts[rng.random(len(carts)) < c.SECOND_CART], "add_to_cart", 40.0, rng)
    removed = _follow_up(second_carts[rng.random(len(second_carts)) < c.CART_REMOVED], "remove_from_cart", 60.0, rng)
    return [carts, second_carts, removed, *_orders(sessions, buying, bought_views, rng)]


def _orders(sessions: Sessions, buying: Ints, bought_views: Rows, rng: Generator) -> list[Rows]:
    """Checkouts after the session's last view, sometimes a coupon or a failed payment, then the purchases and some refunds."""
    orders = bought_views.copy()
    orders["signed_in"] = sessions.base["signed_in"][buying]
    orders["time"] = np.maximum(sessions.views["time"][sessions.last[buying]], bought_views["time"] + 30_000)
    orders["order"] = rng.integers(1, 2**48, len(orders), dtype=np.uint64)
    orders["payment"] = (orders["person"].astype(np.int64) * 3 + rng.integers(0, 2, len(orders))).astype(np.uint32) + 1
    checkouts = _follow_up(orders, "begin_checkout", 20.0, rng)
    has_coupon = rng.random(len(orders)) < c.COUPON
    orders["coupon"] = np.where(has_coupon, rng.integers(0, len(c.COUPONS), len(orders)), -1)
    coupons = _without_product(_follow_up(orders[has_coupon], "coupon_apply", 25.0, rng))
    failed = _follow_up(orders[rng.random(len(orders)) < c.PAYMENT_FAILED], "payment_failed", 60.0, rng)
    purchases = _follow_up(orders, "purchase", 120.0, rng)
    purchases["quantity"] = 1 + (rng.random(len(purchases)) < 0.08)
    refunds = _refunds(purchases, rng)
    second_lines = _second_lines(sessions, buying, purchases, rng)
    # Only payments, purchases and refunds carry the order and the payment.
    for rows in (checkouts, coupons):
        rows["order"], rows["payment"] = 0, 0
    return [checkouts, coupons, failed, purchases, second_lines, refunds]


def _second_lines(sessions: Sessions, buying: Ints, purchases: Rows, rng: Generator) -> Rows:
    """A share of the orders also holds the product viewed last."""
    chosen = np.flatnonzero(rng.random(len(purchases)) < c.SECOND_LINE)
    rows, last_views = purchases[chosen].copy(), sessions.views[sessions.last[buying[chosen]]]
    rows["product"], rows["cents"] = last_views["product"], last_views["cents"]
    return rows


def _refunds(purchases: Rows, rng: Generator) -> Rows:
    """Refunds of a share of the purchases, 1 to 20 hours later, in sessions of their own."""
    rows = purchases[rng.random(len(purchases)) < c.REFUNDED].copy()
    rows["type"] = type_code("refund")
    rows["time"] += rng.integers(3_600_000, 20 * 3_600_000, len(rows))
    rows["session"] ^= REFUND_BIT
    rows["payment"], rows["coupon"] = 0, -1
    return rows
