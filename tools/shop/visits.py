"""When sessions begin, who they belong to, and from where they come."""

import numpy as np
from numpy.random import Generator

from tools.shop import calibration as c
from tools.shop.chance import choice
from tools.shop.rows import ROW, Floats, Ints, Rows
from tools.shop.world import DAY_MS, World

HOUR_MS = 3_600_000
# A refund comes in a session of its own, whose number is the buyer's session with this bit set.
REFUND_BIT = np.uint64(1 << 63)


def begins(world: World, start: int, length: int, sessions: int, rng: Generator) -> tuple[Ints, Ints]:
    """Start times of sessions, and the cluster on sale that drew each (-1 for none)."""
    if length != DAY_MS:
        return start + (rng.random(sessions) * length).astype(np.int64), np.full(sessions, -1)
    begin = start + (choice(c.HOURS, rng.random(sessions)) * HOUR_MS + rng.random(sessions) * HOUR_MS).astype(np.int64)
    return _flash_sale(world, start, begin, rng)


def _flash_sale(world: World, start: int, begin: Ints, rng: Generator) -> tuple[Ints, Ints]:
    luck, hour, cluster = rng.random(3)
    drawn = rng.random(len(begin)) < c.SALE_TRAFFIC * c.SALE_MINUTES / (24 * 60)
    minute = rng.random(len(begin)) * c.SALE_MINUTES * 60_000
    if luck >= c.SALE_DAYS:
        return begin, np.full(len(begin), -1)
    opens = start + int((9 + 11 * hour) * HOUR_MS)
    return np.where(drawn, opens + minute.astype(np.int64), begin), np.where(drawn, int(cluster * world.clusters), -1)


def who_and_where(world: World, begin: Ints, rng: Generator) -> Rows:
    """One row per session with everything that all its events share."""
    count = len(begin)
    base = np.zeros(count, ROW)
    person, base["time"] = _returning(world.visitors(rng.random(count)), begin, rng)
    base["person"] = person
    base["session"] = rng.integers(1, 2**63, count, dtype=np.uint64)
    base["signed_in"] = rng.random(count) >= c.ANONYMOUS_SESSIONS
    base["device"] = _device(world, person, rng.random(count), rng.random(count))
    base["address"], base["place"] = _address(world, person, base["time"], rng)
    base["product"], base["coupon"], base["query"] = -1, -1, -1
    base["referrer"] = rng.integers(0, len(c.REFERRERS), count)
    return base


def _returning(person: Ints, begin: Ints, rng: Generator) -> tuple[Ints, Ints]:
    """Some sessions are a second visit of somebody who was here within the last three hours."""
    count = len(person)
    again = rng.random(count) < c.RETURN_WITHIN_HOURS
    earlier = rng.integers(0, count, count)
    later = begin[earlier] + (rng.uniform(*c.RETURN_MINUTES, count) * 60_000).astype(np.int64)
    again &= later < begin.max()
    return np.where(again, person[earlier], person), np.where(again, later, begin)


def _device(world: World, person: Ints, family: Floats, second: Floats) -> Ints:
    """A person has one or two devices and sometimes takes the family's."""
    own = person * 2 + (second < c.SECOND_DEVICE)
    shared = world.people * 2 + person // c.HOUSEHOLD_SIZE
    return np.where(family < c.FAMILY_DEVICE, shared, own)


def _address(world: World, person: Ints, time: Ints, rng: Generator) -> tuple[Ints, Ints]:
    """Address and place of a session: home, the office in working hours, a mobile carrier, or abroad."""
    count, places = len(person), len(c.PLACES)
    homes = world.people // c.HOUSEHOLD_SIZE + 1
    place = world.home_place[person]
    address = person // c.HOUSEHOLD_SIZE
    luck = rng.random((3, count))
    hour = time // HOUR_MS % 24
    at_work = (world.office[person] >= 0) & (hour >= 8) & (hour < 17) & (luck[0] < c.AT_WORK)
    mobile, abroad = ~at_work & (luck[1] < c.MOBILE), luck[2] < c.TRAVELLING
    address = np.where(at_work, homes + 2 * places + world.office[person], address)
    address = np.where(mobile, homes + place, address)
    place = np.where(abroad, rng.integers(0, places, count), place)
    return np.where(abroad, homes + places + place, address), place
