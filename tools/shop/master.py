"""The shop's master data: the states of users and products in a period, as the landing tables hold them."""

import numpy as np
import pyarrow as pa

from tools.shop import calibration as c
from tools.shop.chance import draws, hashed
from tools.shop.rows import Ints
from tools.shop.world import DAY_MS, Versions, World

# Users signed up within SIGN_UP_DAYS from 2010-01-01.
FIRST_SIGN_UP = 14_610 * DAY_MS
SIGN_UP_DAYS = 2_900
BRANDS = 300


def users(world: World, start: int, end: int) -> pa.Table:
    """Returns each user's state at `start` and every later one before `end` (ms since 1970)."""
    people = np.arange(world.people)
    sign_up_draws = draws(world.seed, "user.signed_up", world.people)
    signed_up = FIRST_SIGN_UP + (sign_up_draws * SIGN_UP_DAYS * DAY_MS).astype(np.int64) // 1000 * 1000
    segment_changes = changes(world.segment_versions, people, start, end)
    country_changes = changes(world.country_versions, people, start, end)
    person, valid_from = _union(segment_changes, country_changes, start)
    valid_from = np.maximum(valid_from, signed_up[person])
    countries = np.array([place[1] for place in c.PLACES], dtype=object)
    return pa.table(
        {
            "user_id": pa.array([f"u-{i}" for i in person.tolist()]),
            "country": pa.array(countries[world.account_place(person, valid_from)]),
            "segment": pa.array(np.array(c.SEGMENTS, dtype=object)[world.segment(person, valid_from)]),
            "signed_up_at": _timestamps(signed_up[person]),
            "updated_at": _timestamps(valid_from),
        }
    )


def products(world: World, start: int, end: int) -> pa.Table:
    """Returns each product's state at `start` and every later one before `end` (ms since 1970)."""
    product, valid_from = changes(world.price_versions, np.arange(world.products), start, end)
    categories = np.array([f"{department}.{shelf}" for department in c.DEPARTMENTS for shelf in c.SHELVES], dtype=object)
    category = categories[world.cluster_of[product] % len(categories)]
    brands = np.array([f"brand-{i}" for i in range(BRANDS)], dtype=object)
    brand = brands[(hashed(world.seed + 6, product) * BRANDS).astype(np.int64)]
    return pa.table(
        {
            "product_id": pa.array([f"p-{i}" for i in product.tolist()]),
            "name": pa.array([_product_name(text, i) for text, i in zip(category, product.tolist(), strict=True)]),
            "category": pa.array(category, pa.string(), mask=hashed(world.seed + 7, product) < c.MISSING_CATEGORY),
            "brand": pa.array(brand, pa.string(), mask=hashed(world.seed + 8, product) < c.MISSING_BRAND),
            "list_price": pa.array((world.list_cents(product, valid_from) / 100).tolist()),
            "currency": pa.array(["EUR"] * len(product)),
            "updated_at": _timestamps(valid_from),
        }
    )


def _product_name(category: str, number: int) -> str:
    department, shelf = category.split(".")
    return f"{shelf} {department} {number}"


def changes(versions: Versions, entity: Ints, start: int, end: int) -> tuple[Ints, Ints]:
    """Returns (entity, valid from) of the version valid at `start` and of each that begins before `end`."""
    first, last = (versions.number(entity, np.full(len(entity), time)) for time in (start, end - 1))
    count = last - first + 1
    entities = np.repeat(entity, count)
    number = np.repeat(first, count) + np.arange(len(entities)) - np.repeat(np.cumsum(count) - count, count)
    return entities, versions.start(entities, number)


def _union(left: tuple[Ints, Ints], right: tuple[Ints, Ints], start: int) -> tuple[Ints, Ints]:
    """Returns (entity, time) of all changes of two values. Of the changes up to `start` only the last is kept: both values hold from it."""
    entity, time = (np.concatenate(pair) for pair in zip(left, right, strict=True))
    is_before = time <= start
    latest_before = np.zeros(int(entity.max()) + 1 if len(entity) else 0, np.int64)
    np.maximum.at(latest_before, entity[is_before], time[is_before])
    keep = ~is_before | (time == latest_before[entity])
    pairs = np.unique(np.stack([entity[keep], time[keep]]), axis=1)
    return pairs[0], pairs[1]


def _timestamps(milliseconds: Ints) -> pa.Array:
    return pa.array(milliseconds * 1000, pa.timestamp("us", tz="UTC"))
