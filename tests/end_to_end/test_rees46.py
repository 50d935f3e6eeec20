"""The file of a real shop through the whole pipeline: every line is counted, and the tables equal an independent computation."""

import json
from pathlib import Path

import duckdb
import pytest

from tests.evaluation_data import evaluation_file
from tests.shop_day import Shop
from tools.kafka.reader import end_offsets
from tools.lake import catalog
from tools.ledger.lake_state import published_end_offsets

DAY = "2019-10-01"
LINES = 17_435


@pytest.fixture(scope="module")
def file(data_dir: Path) -> Path:
    return evaluation_file(data_dir, "rees46-sample/events_2019-10-01_first3h.csv.gz")


@pytest.fixture(scope="module")
def unpublished(shop: Shop) -> int:
    """Number of records of other tests that no nightly run has published before the file is sent."""
    published = published_end_offsets(catalog.open_catalog(shop.settings))
    return sum(end_offsets(shop.settings).values()) - sum(published.values())


@pytest.fixture(scope="module")
def sent(shop: Shop, file: Path, unpublished: int) -> dict[str, int]:
    """The summary of the replay."""
    done = shop.run("tools.replay", "--file", str(file), "--mapping", "rees46", "--json")
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def nightly(shop: Shop, sent: dict[str, int]) -> str:
    """The nightly run that published the file."""
    return shop.nightly(DAY)


@pytest.fixture(scope="module")
def expected(file: Path) -> duckdb.DuckDBPyConnection:
    """The lines of the file in DuckDB, without equal lines."""
    con = duckdb.connect()
    con.execute("SET TimeZone='UTC'")
    con.execute(
        f"""CREATE TABLE ev AS SELECT DISTINCT strptime(event_time, '%Y-%m-%d %H:%M:%S UTC') AS t, * EXCLUDE event_time
        FROM read_csv('{file}', all_varchar=true, null_padding=true, header=true) WHERE user_session IS NOT NULL"""
    )
    return con


def first_row(con: duckdb.DuckDBPyConnection, query: str) -> tuple[object, ...]:
    row = con.execute(query).fetchone()
    assert row is not None
    return tuple(row)


def test_every_line_is_sent_or_rejected_and_every_record_is_in_the_ledger(
    shop: Shop, unpublished: int, sent: dict[str, int], nightly: str
) -> None:
    assert sent["lines"] == LINES
    assert sent["sent"] + sent["rejected"] == LINES
    ledger = [row for row in shop.table("curated.ingest_ledger").to_pylist() if row["day"].isoformat() == DAY]
    assert sum(r["accepted"] + r["duplicates"] + r["quarantined"] for r in ledger) == unpublished + sent["sent"]


def test_events_equal_the_file(shop: Shop, nightly: str, expected: duckdb.DuckDBPyConnection) -> None:
    events = shop.table("curated.events", row_filter=f"event_day = '{DAY}'")
    expected_counts = dict(expected.execute("SELECT event_type, count(*) FROM ev GROUP BY 1").fetchall())
    names = {"view": "view_item", "cart": "add_to_cart", "purchase": "purchase"}
    counts = events.column("event_type").combine_chunks().value_counts().to_pylist()
    assert {row["values"]: row["counts"] for row in counts} == {names[name]: count for name, count in expected_counts.items()}
    assert len(set(events.column("event_id").to_pylist())) == events.num_rows


def test_sessions_equal_the_30_minute_rule(shop: Shop, nightly: str, expected: duckdb.DuckDBPyConnection) -> None:
    sessions_and_events = first_row(
        expected,
        """WITH gaps AS (SELECT *, t - lag(t) OVER (PARTITION BY user_session ORDER BY t) > INTERVAL 30 MINUTE AS new FROM ev)
        SELECT count(*) FILTER (new IS NULL OR new), count(*) FROM gaps""",
    )
    sessions = shop.table("curated.sessions", row_filter=f"session_day = '{DAY}'").to_pylist()
    assert (len(sessions), sum(session["events"] for session in sessions)) == sessions_and_events


def test_marts_equal_an_independent_computation(shop: Shop, nightly: str, expected: duckdb.DuckDBPyConnection) -> None:
    orders, revenue = first_row(expected, "SELECT count(*), sum(price::DECIMAL(18,2)) FROM ev WHERE event_type = 'purchase'")
    revenue_rows = shop.table("marts.revenue_daily", row_filter=f"day = '{DAY}'").to_pylist()
    assert (sum(row["orders"] for row in revenue_rows), sum(row["revenue"] for row in revenue_rows)) == (orders, revenue)

    products = """SELECT product_id, count(*) FILTER (event_type = 'view'), count(*) FILTER (event_type = 'cart'),
        count(*) FILTER (event_type = 'purchase') FROM ev GROUP BY 1"""
    daily = shop.table("marts.product_daily", row_filter=f"day = '{DAY}'").to_pylist()
    assert {(r["product_id"], r["views"], r["carts"], r["purchases"]) for r in daily} == set(expected.execute(products).fetchall())

    stages = """WITH gaps AS (SELECT *, coalesce(t - lag(t) OVER w > INTERVAL 30 MINUTE, true) AS new FROM ev
          WINDOW w AS (PARTITION BY user_session ORDER BY t)),
        numbered AS (SELECT *, sum(new::INT) OVER (PARTITION BY user_session ORDER BY t) AS n FROM gaps),
        s AS (SELECT max(event_type = 'view') AS v, max(event_type = 'cart') AS c, max(event_type = 'purchase') AS p
          FROM numbered GROUP BY user_session, n)
        SELECT count(*), count(*) FILTER (v OR c OR p), count(*) FILTER (c OR p), count(*) FILTER (p), count(*) FILTER (p) FROM s"""
    [funnel] = shop.table("marts.funnel_daily", row_filter=f"day = '{DAY}'").to_pylist()
    assert tuple(funnel[k] for k in ("sessions", "viewed", "carted", "checkout", "purchased")) == first_row(expected, stages)


@pytest.mark.long
def test_a_second_replay_and_a_rebuild_of_the_day_change_no_row(shop: Shop, file: Path, nightly: str) -> None:
    tables = ("curated.events", "curated.sessions", "curated.orders", "marts.product_daily", "marts.funnel_daily", "marts.revenue_daily")
    before = {name: shop.content(name) for name in tables}
    shop.run("tools.replay", "--file", str(file), "--mapping", "rees46", "--json")
    run_id = shop.nightly(DAY, rebuild=True)
    assert DAY in shop.receipt(run_id, "curate")["facts"]["days"]
    assert {name: shop.content(name) for name in tables} == before
