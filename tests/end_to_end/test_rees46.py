"""A real shop's file through the whole house: every line accounted for, and the numbers of an independent computation."""

import json
from pathlib import Path

import duckdb
import pytest

from tests.shop_day import Shop
from tools.kafka.reader import end_offsets
from tools.lake import catalog
from tools.ledger.lake_state import published_end_offsets

DAY = "2019-10-01"
LINES = 17_435


@pytest.fixture(scope="module")
def file(data_dir: Path) -> Path:
    path = data_dir / "rees46-sample" / "events_2019-10-01_first3h.csv.gz"
    if not path.exists():
        pytest.skip(f"{path} is absent: point CLICKSTREAM_DATA_DIR at the evaluation data")
    return path


@pytest.fixture(scope="module")
def waiting(shop: Shop) -> int:
    """Records of other tests that no night has taken before the file is sent."""
    return sum(end_offsets(shop.settings).values()) - sum(published_end_offsets(catalog.connect(shop.settings)).values())


@pytest.fixture(scope="module")
def sent(shop: Shop, file: Path, waiting: int) -> dict[str, int]:
    found = shop.run("tools.replay", "--file", str(file), "--mapping", "rees46", "--json")
    return dict(json.loads(found.stdout))


@pytest.fixture(scope="module")
def night(shop: Shop, sent: dict[str, int]) -> str:
    return shop.nightly(DAY)


@pytest.fixture(scope="module")
def truth(file: Path) -> duckdb.DuckDBPyConnection:
    """The file as DuckDB reads it by itself, exact repeats removed."""
    con = duckdb.connect()
    con.execute("SET TimeZone='UTC'")
    con.execute(
        f"""CREATE TABLE ev AS SELECT DISTINCT strptime(event_time, '%Y-%m-%d %H:%M:%S UTC') AS t, * EXCLUDE event_time
        FROM read_csv('{file}', all_varchar=true, null_padding=true, header=true) WHERE user_session IS NOT NULL"""
    )
    return con


def one(con: duckdb.DuckDBPyConnection, question: str) -> tuple[object, ...]:
    row = con.execute(question).fetchone()
    assert row is not None
    return tuple(row)


def test_every_line_is_accounted_for(shop: Shop, waiting: int, sent: dict[str, int], night: str) -> None:
    assert sent["lines"] == LINES
    assert sent["sent"] + sent["rejected"] == LINES
    ledger = [row for row in shop.table("curated.ingest_ledger").to_pylist() if row["day"].isoformat() == DAY]
    assert sum(r["accepted"] + r["duplicates"] + r["quarantined"] for r in ledger) == waiting + sent["sent"]


def test_events_equal_the_file(shop: Shop, night: str, truth: duckdb.DuckDBPyConnection) -> None:
    ours = shop.table("curated.events", row_filter=f"event_day = '{DAY}'")
    kinds = dict(truth.execute("SELECT event_type, count(*) FROM ev GROUP BY 1").fetchall())
    names = {"view": "view_item", "cart": "add_to_cart", "purchase": "purchase"}
    assert {names[k]: n for k, n in kinds.items()} == {
        v["values"]: v["counts"] for v in ours.column("event_type").combine_chunks().value_counts().to_pylist()
    }
    assert len(set(ours.column("event_id").to_pylist())) == ours.num_rows


def test_sessions_equal_the_30_minute_rule(shop: Shop, night: str, truth: duckdb.DuckDBPyConnection) -> None:
    expected = one(
        truth,
        """WITH gaps AS (SELECT *, t - lag(t) OVER (PARTITION BY user_session ORDER BY t) > INTERVAL 30 MINUTE AS new FROM ev)
        SELECT count(*) FILTER (new IS NULL OR new), count(*) FROM gaps""",
    )
    ours = shop.table("curated.sessions", row_filter=f"session_day = '{DAY}'").to_pylist()
    assert (len(ours), sum(s["events"] for s in ours)) == expected


def test_marts_equal_an_independent_computation(shop: Shop, night: str, truth: duckdb.DuckDBPyConnection) -> None:
    orders, revenue = one(truth, "SELECT count(*), sum(price::DECIMAL(18,2)) FROM ev WHERE event_type = 'purchase'")
    ours = shop.table("marts.revenue_daily", row_filter=f"day = '{DAY}'").to_pylist()
    assert (sum(r["orders"] for r in ours), sum(r["revenue"] for r in ours)) == (orders, revenue)

    products = """SELECT product_id, count(*) FILTER (event_type = 'view'), count(*) FILTER (event_type = 'cart'),
        count(*) FILTER (event_type = 'purchase') FROM ev GROUP BY 1"""
    daily = shop.table("marts.product_daily", row_filter=f"day = '{DAY}'").to_pylist()
    assert {(r["product_id"], r["views"], r["carts"], r["purchases"]) for r in daily} == set(truth.execute(products).fetchall())

    stages = """WITH gaps AS (SELECT *, coalesce(t - lag(t) OVER w > INTERVAL 30 MINUTE, true) AS new FROM ev
          WINDOW w AS (PARTITION BY user_session ORDER BY t)),
        numbered AS (SELECT *, sum(new::INT) OVER (PARTITION BY user_session ORDER BY t) AS n FROM gaps),
        s AS (SELECT max(event_type = 'view') AS v, max(event_type = 'cart') AS c, max(event_type = 'purchase') AS p
          FROM numbered GROUP BY user_session, n)
        SELECT count(*), count(*) FILTER (v OR c OR p), count(*) FILTER (c OR p), count(*) FILTER (p), count(*) FILTER (p) FROM s"""
    [funnel] = shop.table("marts.funnel_daily", row_filter=f"day = '{DAY}'").to_pylist()
    assert tuple(funnel[k] for k in ("sessions", "viewed", "carted", "checkout", "purchased")) == one(truth, stages)


@pytest.mark.long
def test_the_same_file_again_and_the_day_rebuilt_change_no_row(shop: Shop, file: Path, night: str) -> None:
    tables = ("curated.events", "curated.sessions", "curated.orders", "marts.product_daily", "marts.funnel_daily", "marts.revenue_daily")
    before = {name: shop.content(name) for name in tables}
    shop.run("tools.replay", "--file", str(file), "--mapping", "rees46", "--json")
    run_id = shop.nightly(DAY, rebuild=True)
    assert DAY in shop.receipt(run_id, "curate")["facts"]["days"]
    assert {name: shop.content(name) for name in tables} == before
