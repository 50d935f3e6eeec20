"""Measures the CPU time of curate and marts for two numbers of events, and of DuckDB for the same marts.

DuckDB reads the same raw rows from memory and computes the funnel, revenue and product marts. If its result differs from
Spark's, the benchmark fails.
"""

import json
import os
import resource
import subprocess
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pyarrow as pa
import pyarrow.compute as pc

from bench.stack import temporary_stack
from clickstream_contracts import names, schema, sql_templates
from clickstream_contracts.settings import Settings, read_secret
from tools.lake import catalog
from tools.localstack import running, stop
from tools.localstack.layout import Stack
from tools.shop import stream
from tools.shop.encode import Encoder
from tools.shop.faults import Faults
from tools.shop.run import batches
from tools.shop.world import World

ROOT = Path(__file__).parents[1]
SQL = Path(__file__).parent / "sql"
SPARK_PYTHON = ROOT / ".venvs/spark/bin/python"
# Numbers of events.
SIZES = (500_000, 5_000_000)
DAYS, UNTIL = 5, date(2026, 1, 5)
COMPONENTS = ("s3", "nessie", "spark")
BRANCH = "etl_bench"
MARTS = ("marts.funnel_daily", "marts.revenue_daily", "marts.product_daily")


def measure() -> dict[str, Any]:
    """Returns the CPU seconds of each Spark app and of DuckDB by number of events, and their ratios."""
    seconds = {str(size): measure_size(size) for size in SIZES}
    small, large = (seconds[str(size)] for size in SIZES)
    return {
        **seconds,
        "growth_of_10x_events": round(spark_seconds(large) / spark_seconds(small), 2),
        "spark_to_duckdb": round(spark_seconds(large) / large["duckdb"], 2),
    }


def spark_seconds(seconds: dict[str, float]) -> float:
    """Returns the CPU seconds of curate and marts."""
    return seconds["curate"] + seconds["marts"]


def measure_size(size: int) -> dict[str, float]:
    """Returns the CPU seconds of each app and of DuckDB for one number of events, on a new stack."""
    with temporary_stack(*COMPONENTS) as env:
        settings = running(env["CLICKSTREAM_STACK_DIR"])
        catalog.ensure(settings)
        clicks = write_raw_clicks(settings, size)
        create_branch(settings)
        end_offsets = json.dumps({"0": clicks.num_rows})
        seconds = {
            "dimensions": run_spark_app(settings, "dimensions"),
            "curate": run_spark_app(settings, "curate", "--end-offsets", end_offsets),
        }
        # Not only the days of the shop: a session that begins on the last day can end on the next one.
        days = sorted({str(day) for day in pc.cast(clicks["event_time"], pa.date32()).unique().to_pylist()})
        seconds["marts"] = run_spark_app(settings, "marts", f"--days={','.join(days)}")
        start = time.process_time()
        duckdb_marts = compute_with_duckdb(clicks)
        seconds["duckdb"] = round(time.process_time() - start, 1)
        spark_marts = [catalog.open_catalog(settings, BRANCH).load_table(name).scan().to_arrow() for name in MARTS]
        for name, from_spark, from_duckdb in zip(MARTS, spark_marts, duckdb_marts, strict=True):
            assert same_rows(from_spark, from_duckdb), f"{name} differs between Spark and DuckDB"
    return seconds


def create_branch(settings: Settings, branch: str = BRANCH) -> str:
    """Create the Nessie branch of a run at the head of main; returns the commit."""
    trees = f"{settings.nessie_uri}/api/v2/trees"
    head = httpx.get(f"{trees}/{names.MAIN}", timeout=30).json()["reference"]
    httpx.post(trees, params={"name": branch, "type": "BRANCH"}, json=head, timeout=30).raise_for_status()
    return str(head["hash"])


def write_raw_clicks(settings: Settings, size: int) -> pa.Table:
    """Write the shop's valid events to raw.clicks, as Flink does; returns them."""
    shop = stream.Shop(World(7, 50_000, 10_000), Faults(duplicates=0.001, broken=0, late=0, out_of_order=0.05))
    encoder = Encoder(shop.world)
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        for rows in stream.arrivals(shop, stream.days(UNTIL, DAYS, size)):
            for batch in batches(rows):
                file.write(b"\n".join(value for value in encoder.records(batch).values if value is not None) + b"\n")
        file.flush()
        query = sql_templates.render_file(SQL / "raw_clicks.sql", {"file": file.name})
        clicks: pa.Table = duckdb.connect().sql(query).to_arrow_table()
    raw_clicks = catalog.open_catalog(settings).load_table("raw.clicks")
    raw_clicks.append(clicks.select([f.name for f in schema.tables()["raw.clicks"].fields]).cast(raw_clicks.schema().as_arrow()))
    return clicks


def run_spark_app(settings: Settings, app: str, *args: str, branch: str = BRANCH) -> float:
    """Run a Spark app as Airflow does; returns the CPU seconds of the app, the Connect server and the executors."""
    before = spark_process_seconds(settings) + child_process_seconds()
    key = names.receipt_key("bench", branch, app, 1)
    common = ["--ref", branch, "--run", branch, "--day", UNTIL.isoformat(), "--receipt", f"s3://{settings.s3_bucket}/{key}"]
    env = {"SPARK_REMOTE": f"{settings.spark_remote}/;token={read_secret(settings.spark_token_file)}"}
    command = [str(SPARK_PYTHON), "-m", f"spark_apps.{app}", *common, *args]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, **settings.to_env(), **env})
    return round(spark_process_seconds(settings) + child_process_seconds() - before, 1)


def child_process_seconds() -> float:
    """Returns the CPU seconds of this process's ended children."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def spark_process_seconds(settings: Settings) -> float:
    """Returns the CPU seconds of the stack's Spark processes and of their ended children, the executors."""
    processes = [p for p in stop.processes(Stack(settings)) if any("org.apache.spark" in word for word in p.cmdline())]
    times = [process.cpu_times() for process in processes]
    return float(sum(t.user + t.system + t.children_user + t.children_system for t in times))


def compute_with_duckdb(clicks: pa.Table) -> list[pa.Table]:
    """Returns the marts as DuckDB computes them from the raw clicks."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone='UTC'; SET threads=2")
    connection.register("clicks", clicks)
    connection.execute(sql_templates.render_file(SQL / "curate.sql", {}, include=(sql_templates.SHARED_SQL,)))
    return [connection.sql((SQL / f"{name.split('.')[1]}.sql").read_text()).to_arrow_table() for name in MARTS]


def same_rows(from_spark: pa.Table, from_duckdb: pa.Table) -> bool:
    """Tells whether the rows are equal in the columns that DuckDB computes."""
    columns = from_duckdb.column_names
    spark_rows = [tuple(map(str, row.values())) for row in from_spark.select(columns).to_pylist()]
    duckdb_rows = [tuple(map(str, row.values())) for row in from_duckdb.to_pylist()]
    return sorted(spark_rows) == sorted(duckdb_rows)
