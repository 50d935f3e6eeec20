"""The shop's master data: every state of users and products within a stretch of time, as the landing tables want them."""

import numpy as np
import pyarrow as pa

from tools.shop import calibration as c
from tools.shop.chance import draws, hashed
from tools.shop.rows import Ints
from tools.shop.world import DAY_MS, Versions, World

SIGN_UPS_FROM = 14_610 * DAY_MS
SIGN_UP_DAYS = 2_900


def users(world: World, start: int, end: int) -> pa.Table:
    """Each user's state at `start` and every later one before `end`."""
    everyone = np.arange(world.people)
    signed_up = SIGN_UPS_FROM + (draws(world.seed, "user.signed_up", world.people) * SIGN_UP_DAYS * DAY_MS).astype(np.int64) // 1000 * 1000
    person, since = _union(
        changes(world.segment_versions, everyone, start, end), changes(world.country_versions, everyone, start, end), start
    )
    since = np.maximum(since, signed_up[person])
    countries = np.array([p[1] for p in c.PLACES], dtype=object)
    return pa.table(
        {
            "user_id": pa.array([f"u-{i}" for i in person.tolist()]),
            "country": pa.array(countries[world.account_place(person, since)]),
            "segment": pa.array(np.array(c.SEGMENTS, dtype=object)[world.segment(person, since)]),
            "signed_up_at": _times(signed_up[person]),
            "updated_at": _times(since),
        }
    )


def products(world: World, start: int, end: int) -> pa.Table:
    """Each product's state at `start` and every later one before `end`."""
    product, since = changes(world.price_versions, np.arange(world.products), start, end)
    cluster = world.cluster_of[product]
    shelf = np.array([f"{d}.{s}" for d in c.DEPARTMENTS for s in c.SHELVES], dtype=object)[cluster % (len(c.DEPARTMENTS) * len(c.SHELVES))]
    brand = np.array([f"brand-{i}" for i in range(300)], dtype=object)[(hashed(world.seed + 6, product) * 300).astype(np.int64)]
    return pa.table(
        {
            "product_id": pa.array([f"p-{i}" for i in product.tolist()]),
            "name": pa.array([f"{text.split('.')[1]} {text.split('.')[0]} {i}" for text, i in zip(shelf, product.tolist(), strict=True)]),
            "category": pa.array(shelf, pa.string(), mask=hashed(world.seed + 7, product) < c.MISSING_CATEGORY),
            "brand": pa.array(brand, pa.string(), mask=hashed(world.seed + 8, product) < c.MISSING_BRAND),
            "list_price": pa.array((world.list_cents(product, since) / 100).tolist()),
            "currency": pa.array(["EUR"] * len(product)),
            "updated_at": _times(since),
        }
    )


def changes(versions: Versions, entity: Ints, start: int, end: int) -> tuple[Ints, Ints]:
    """(entity, when) of the version valid at `start` and of each that begins before `end`."""
    first, last = (versions.number(entity, np.full(len(entity), t)) for t in (start, end - 1))
    count = last - first + 1
    who = np.repeat(entity, count)
    number = np.repeat(first, count) + np.arange(len(who)) - np.repeat(np.cumsum(count) - count, count)
    return who, versions.start(who, number)


def _union(left: tuple[Ints, Ints], right: tuple[Ints, Ints], start: int) -> tuple[Ints, Ints]:
    """All moments at which either of two values changes; before `start` only the last of them, which both hold from."""
    who, when = (np.concatenate(pair) for pair in zip(left, right, strict=True))
    latest = np.zeros(int(who.max()) + 1 if len(who) else 0, np.int64)
    before = when <= start
    np.maximum.at(latest, who[before], when[before])
    keep = ~before | (when == latest[who])
    pairs = np.unique(np.stack([who[keep], when[keep]]), axis=1)
    return pairs[0], pairs[1]


def _times(milliseconds: Ints) -> pa.Array:
    return pa.array(milliseconds * 1000, pa.timestamp("us", tz="UTC"))
