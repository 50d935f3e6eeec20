"""What happens beside looking: search, sign-in, carts, checkout, payment, purchase, refund."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tools.shop import calibration as c
from tools.shop.rows import Ints, Rows, type_code
from tools.shop.visits import REFUND_BIT
from tools.shop.world import World


@dataclass(frozen=True)
class Sessions:
    """The sessions of a window with their views, as the funnel reads them."""

    base: Rows
    views: Rows
    first: Ints
    last: Ints

    def some(self, shares: float | NDArray[np.float64], rng: Generator) -> Ints:
        """Sessions drawn with the given probability."""
        return np.flatnonzero(rng.random(len(self.base)) < shares)

    def seen(self, sessions: Ints, rng: Generator) -> Rows:
        """One of the views of each session."""
        length = self.last[sessions] - self.first[sessions] + 1
        return self.views[self.first[sessions] + (rng.random(len(sessions)) * length).astype(np.int64)]


def steps(world: World, base: Rows, views: Rows, session: Ints, rng: Generator) -> Rows:
    """All events of a window that are no views; sets who is signed in on the views as well."""
    edges = np.searchsorted(session, np.arange(len(base) + 1))
    shop = Sessions(base, views, edges[:-1], edges[1:] - 1)
    # Sign-ins come first: they decide which of the views, that the rest is copied from, carry a user.
    logins = _sign_ins(shop, session, rng)
    asides = [_landings(shop, rng), _searches(world, shop, rng), _profile_changes(shop, rng)]
    return np.concatenate([*logins, *asides, *_carts_and_orders(shop, rng)])


def after(rows: Rows, kind: str, seconds: float, rng: Generator) -> Rows:
    """A copy of `rows` as events of another type, some log-normal time later."""
    copy = rows.copy()
    copy["type"] = type_code(kind)
    copy["time"] += (np.exp(rng.normal(np.log(seconds), 0.5, len(rows))) * 1000).astype(np.int64)
    copy["referrer"] = -1
    return copy


def _without_product(rows: Rows) -> Rows:
    rows["product"], rows["quantity"], rows["cents"] = -1, 0, 0
    return rows


def _landings(shop: Sessions, rng: Generator) -> Rows:
    rows = shop.base[shop.some(c.LANDING_SESSIONS, rng)].copy()
    rows["type"] = type_code("page_view")
    rows["time"] -= rng.integers(2_000, 30_000, len(rows))
    return rows


def _searches(world: World, shop: Sessions, rng: Generator) -> Rows:
    seen = shop.seen(shop.some(c.SEARCHING_SESSIONS, rng), rng)
    rows = _without_product(after(seen, "search", 1.0, rng))
    rows["time"] = seen["time"] - rng.integers(1_000, 20_000, len(rows))
    rows["query"] = world.cluster_of[seen["product"]] % (len(c.DEPARTMENTS) * len(c.SHELVES))
    return rows


def _profile_changes(shop: Sessions, rng: Generator) -> Rows:
    rows = shop.base[shop.some(c.PROFILE_CHANGES, rng)]
    return _without_product(after(rows[rows["signed_in"]], "profile_change", 60.0, rng))


def _sign_ins(shop: Sessions, session: Ints, rng: Generator) -> list[Rows]:
    """Some signed-in sessions begin anonymously: their events before the login carry no user."""
    chosen = np.zeros(len(shop.base), bool)
    chosen[shop.some(c.SIGN_IN_IN_SESSION, rng)] = True
    chosen &= shop.base["signed_in"] & (shop.last > shop.first)
    rows = _without_product(after(shop.views[shop.first[chosen]], "login", 3.0, rng))
    login_at = np.full(len(shop.base), -1)
    login_at[chosen] = rows["time"]
    shop.views["signed_in"] &= shop.views["time"] >= login_at[session]
    failed = rows[rng.random(len(rows)) < c.LOGIN_FAILED].copy()
    failed["type"], failed["signed_in"] = type_code("login_failed"), False
    failed["time"] -= 1_500
    return [rows, failed]


def _carts_and_orders(shop: Sessions, rng: Generator) -> list[Rows]:
    length = np.sqrt(shop.last - shop.first + 1)
    buying = shop.some(c.BUYING_SESSIONS * length / length.mean(), rng)
    with_cart = rng.random(len(buying)) < c.CART_BEFORE_PURCHASE
    seen = shop.seen(buying, rng)
    carts = after(np.concatenate([seen[with_cart], shop.seen(shop.some(c.CART_ONLY_SESSIONS, rng), rng)]), "add_to_cart", 8.0, rng)
    more = after(carts[rng.random(len(carts)) < c.SECOND_CART], "add_to_cart", 40.0, rng)
    removed = after(more[rng.random(len(more)) < c.CART_REMOVED], "remove_from_cart", 60.0, rng)
    return [carts, more, removed, *_orders(shop, buying, seen, rng)]


def _orders(shop: Sessions, buying: Ints, seen: Rows, rng: Generator) -> list[Rows]:
    """Checkout after the session's last view, now and then a refused payment or a coupon, then the purchase."""
    ready = seen.copy()
    ready["signed_in"] = shop.base["signed_in"][buying]
    ready["time"] = np.maximum(shop.views["time"][shop.last[buying]], seen["time"] + 30_000)
    ready["order"] = rng.integers(1, 2**48, len(ready), dtype=np.uint64)
    ready["payment"] = (ready["person"].astype(np.int64) * 3 + rng.integers(0, 2, len(ready))).astype(np.uint32) + 1
    checkout = after(ready, "begin_checkout", 20.0, rng)
    coupon = rng.random(len(ready)) < c.COUPON
    ready["coupon"] = np.where(coupon, rng.integers(0, len(c.COUPONS), len(ready)), -1)
    applied = _without_product(after(ready[coupon], "coupon_apply", 25.0, rng))
    refused = after(ready[rng.random(len(ready)) < c.PAYMENT_FAILED], "payment_failed", 60.0, rng)
    bought = after(ready, "purchase", 120.0, rng)
    bought["quantity"] = 1 + (rng.random(len(bought)) < 0.08)
    refunds, second = _refunds(bought, rng), _second_lines(shop, buying, bought, rng)
    for rows in (checkout, applied):
        rows["order"], rows["payment"] = 0, 0
    return [checkout, applied, refused, bought, second, refunds]


def _second_lines(shop: Sessions, buying: Ints, bought: Rows, rng: Generator) -> Rows:
    """Some orders hold the product looked at last as well."""
    chosen = np.flatnonzero(rng.random(len(bought)) < c.SECOND_LINE)
    rows, seen = bought[chosen].copy(), shop.views[shop.last[buying[chosen]]]
    rows["product"], rows["cents"] = seen["product"], seen["cents"]
    return rows


def _refunds(bought: Rows, rng: Generator) -> Rows:
    """Money back within the same day or the next, in a session of its own."""
    rows = bought[rng.random(len(bought)) < c.REFUNDED].copy()
    rows["type"] = type_code("refund")
    rows["time"] += rng.integers(3_600_000, 20 * 3_600_000, len(rows))
    rows["session"] ^= REFUND_BIT
    rows["payment"], rows["coupon"] = 0, -1
    return rows
