"""The simulator reproduces statistics of real shops: event mix, sessions, gaps, popularity, taste, prices, funnel, return visits."""

from datetime import date

import numpy as np
import pytest

from tests.tools import shop_statistics as stats
from tools.shop.faults import Faults
from tools.shop.rows import Rows, type_code
from tools.shop.stream import Shop, arrivals, days
from tools.shop.world import World

PRODUCTS = 10_000


@pytest.fixture(scope="module")
def rows() -> Rows:
    """300,000 events of three days without faults."""
    shop = Shop(World(11, products=PRODUCTS), Faults(0, 0, 0, 0))
    return np.concatenate(list(arrivals(shop, days(date(2026, 1, 4), 3, 300_000))))


def test_the_number_of_good_events_is_exact(rows: Rows) -> None:
    assert len(rows) == 300_000


def test_the_mix_of_views_carts_and_purchases_is_that_of_real_shops(rows: Rows) -> None:
    mix = stats.mix(rows)
    assert mix["view_item"] == pytest.approx(97.8, abs=0.5)
    assert mix["add_to_cart"] == pytest.approx(0.95, abs=0.2)
    assert mix["purchase"] == pytest.approx(1.2, abs=0.25)


def test_a_third_of_the_buying_sessions_has_a_cart(rows: Rows) -> None:
    buying, with_cart = (set(rows["session"][rows["type"] == type_code(name)].tolist()) for name in ("purchase", "add_to_cart"))
    sessions = len(np.unique(rows["session"]))
    assert 100 * len(buying) / sessions == pytest.approx(3.9, abs=0.5)
    assert 100 * len(with_cart) / sessions == pytest.approx(2.3, abs=0.4)
    assert len(buying & with_cart) / len(buying) == pytest.approx(1 / 3, abs=0.05)


def test_session_lengths_have_the_quantiles_of_real_shops(rows: Rows) -> None:
    median, p75, p90, p99 = stats.session_lengths(rows)
    assert (median, p75) == (2, 4)
    assert 7 <= p90 <= 8
    assert 19 <= p99 <= 24


def test_gaps_between_views_have_the_quantiles_of_real_shops(rows: Rows) -> None:
    expected = [10, 18, 33, 62, 115, 377]
    assert stats.gaps(rows) == pytest.approx(expected, rel=0.25)
    assert stats.gaps(rows)[2] == pytest.approx(33, rel=0.05)


def test_popularity_is_distributed_as_in_real_shops(rows: Rows) -> None:
    counts = stats.popularity(rows)
    assert 10 <= stats.top_share(counts, 0.01, PRODUCTS) <= 18
    assert 36 <= stats.top_share(counts, 0.10, PRODUCTS) <= 46
    assert 0.4 <= stats.slope(counts) <= 0.65


def test_the_same_product_is_often_viewed_twice_in_a_row(rows: Rows) -> None:
    assert 9 <= stats.immediate_repeats(rows) <= 22


def test_taste_makes_the_next_view_predictable(rows: Rows) -> None:
    by_taste, by_popularity = stats.hit_rates(rows)
    assert by_taste / by_popularity > 10
    assert by_taste > 35


def test_prices_have_the_quantiles_of_real_shops(rows: Rows) -> None:
    quantiles = np.quantile(stats.views(rows)["cents"] / 100, [0.05, 0.5, 0.95, 0.99])
    assert quantiles == pytest.approx([18, 154, 1053, 1748], rel=0.2)


def test_some_people_return_within_three_hours() -> None:
    """A window of the size of the real sample: 17,000 events in three hours, 9.5 % of the users with two or more sessions."""
    shop = Shop(World(11), Faults(0, 0, 0, 0))
    day = np.concatenate(list(arrivals(shop, days(date(2026, 1, 4), 1, 100_000))))
    start = days(date(2026, 1, 4), 1, 0)[0].start
    window = day[(day["time"] >= start + 9 * 3_600_000) & (day["time"] < start + 12 * 3_600_000)]
    visits = np.unique(np.stack([window["person"].astype(np.int64), window["session"].astype(np.int64)]), axis=1)
    sessions_per_person = np.unique(visits[0], return_counts=True)[1]
    assert 6 <= 100 * (sessions_per_person > 1).mean() <= 16


def test_offices_and_families_share_addresses(rows: Rows) -> None:
    """Many people behind one address are normal: a fraud rule must not flag them for it."""
    pairs = np.unique(np.stack([rows["address"], rows["person"]]), axis=1)
    people = np.sort(np.unique(pairs[0], return_counts=True)[1])[::-1]
    assert people[0] > 100
    assert (people == 2).sum() > 100
    devices = np.unique(np.stack([rows["device"], rows["person"]]), axis=1)
    assert (np.unique(devices[0], return_counts=True)[1] > 1).sum() > 50


def test_a_flash_sale_brings_ten_times_the_traffic_for_a_quarter_of_an_hour() -> None:
    shop = Shop(World(11, products=2_000), Faults(0, 0, 0, 0))
    peaks = []
    for window in days(date(2026, 1, 12), 12, 12 * 20_000):
        start_times = np.concatenate(list(arrivals(shop, [window])))["time"] - window.start
        quarter_hours = np.histogram(start_times, bins=96, range=(0, 86_400_000))[0]
        peaks.append(quarter_hours.max() / np.median(quarter_hours))
    assert sum(peak > 5 for peak in peaks) in range(1, 9)
    assert min(peaks) < 3
