"""Sessions: when they begin, and the person, device, address and place of each."""

import numpy as np
from numpy.random import Generator

from tools.shop import calibration as c
from tools.shop.chance import choice
from tools.shop.rows import ROW, Floats, Ints, Rows
from tools.shop.world import DAY_MS, World

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
# A refund has a session of its own: the number of the buyer's session with this bit set.
REFUND_BIT = np.uint64(1 << 63)


def session_starts(world: World, start: int, length: int, sessions: int, rng: Generator) -> tuple[Ints, Ints]:
    """Returns the start times of sessions (ms since 1970), and the cluster of the flash sale that each comes for (-1: none).

    Days have the traffic curve of real shops and perhaps a flash sale; shorter windows have even traffic.
    """
    if length != DAY_MS:
        return start + (rng.random(sessions) * length).astype(np.int64), np.full(sessions, -1)
    start_times = start + (choice(c.HOURS, rng.random(sessions)) * HOUR_MS + rng.random(sessions) * HOUR_MS).astype(np.int64)
    return _flash_sale(world, start, start_times, rng)


def _flash_sale(world: World, start: int, start_times: Ints, rng: Generator) -> tuple[Ints, Ints]:
    """Moves a share of the sessions into the minutes of a flash sale, on one day of three."""
    is_sale_day, hour, cluster = rng.random(3)
    is_drawn = rng.random(len(start_times)) < c.SALE_TRAFFIC * c.SALE_MINUTES / (24 * 60)
    offset = rng.random(len(start_times)) * c.SALE_MINUTES * MINUTE_MS
    if is_sale_day >= c.SALE_DAYS:
        return start_times, np.full(len(start_times), -1)
    sale_start = start + int((9 + 11 * hour) * HOUR_MS)
    return np.where(is_drawn, sale_start + offset.astype(np.int64), start_times), np.where(is_drawn, int(cluster * world.clusters), -1)


def session_rows(world: World, start_times: Ints, rng: Generator) -> Rows:
    """Returns one row for each session with the values that all its events share."""
    count = len(start_times)
    base = np.zeros(count, ROW)
    person, base["time"] = _with_return_visits(world.visitors(rng.random(count)), start_times, rng)
    base["person"] = person
    base["session"] = rng.integers(1, 2**63, count, dtype=np.uint64)
    base["signed_in"] = rng.random(count) >= c.ANONYMOUS_SESSIONS
    base["device"] = _devices(world, person, rng.random(count), rng.random(count))
    base["address"], base["place"] = _addresses(world, person, base["time"], rng)
    base["product"], base["coupon"], base["query"] = -1, -1, -1
    base["referrer"] = rng.integers(0, len(c.REFERRERS), count)
    return base


def _with_return_visits(person: Ints, start_times: Ints, rng: Generator) -> tuple[Ints, Ints]:
    """Returns persons and start times where a share of the sessions is a second visit within three hours of another session."""
    count = len(person)
    is_return = rng.random(count) < c.RETURN_WITHIN_HOURS
    earlier = rng.integers(0, count, count)
    return_time = start_times[earlier] + (rng.uniform(*c.RETURN_MINUTES, count) * MINUTE_MS).astype(np.int64)
    is_return &= return_time < start_times.max()
    return np.where(is_return, person[earlier], person), np.where(is_return, return_time, start_times)


def _devices(world: World, person: Ints, family_draw: Floats, second_draw: Floats) -> Ints:
    """Returns the device of each session: one of the person's two, or the one the household shares."""
    own = person * 2 + (second_draw < c.SECOND_DEVICE)
    shared = world.people * 2 + person // c.HOUSEHOLD_SIZE
    return np.where(family_draw < c.FAMILY_DEVICE, shared, own)


def _addresses(world: World, person: Ints, time: Ints, rng: Generator) -> tuple[Ints, Ints]:
    """Returns address and place of each session: home, the office in working hours, a mobile carrier, or abroad.

    Addresses are numbered: homes first, then mobile carriers by place, then hotels by place, then offices.
    """
    count, places = len(person), len(c.PLACES)
    homes = world.people // c.HOUSEHOLD_SIZE + 1
    place = world.home_place[person]
    address = person // c.HOUSEHOLD_SIZE
    draws = rng.random((3, count))
    hour = time // HOUR_MS % 24
    is_at_work = (world.office[person] >= 0) & (hour >= 8) & (hour < 17) & (draws[0] < c.AT_WORK)
    is_mobile, is_abroad = ~is_at_work & (draws[1] < c.MOBILE), draws[2] < c.TRAVELLING
    address = np.where(is_at_work, homes + 2 * places + world.office[person], address)
    address = np.where(is_mobile, homes + place, address)
    place = np.where(is_abroad, rng.integers(0, places, count), place)
    return np.where(is_abroad, homes + places + place, address), place
