"""Curate and marts at two sizes on a stack of their own: CPU-seconds, their growth, and DuckDB on the same rows.

DuckDB reads the same raw rows from memory and computes the same funnel, revenue and product tables; the results must be
equal, or there is no figure.
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
from clickstream_contracts import names, schema
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
PYTHON = ROOT / ".venvs/spark/bin/python"
SIZES = (500_000, 5_000_000)
DAYS, UNTIL = 5, date(2026, 1, 5)
PARTS = ("s3", "nessie", "spark")
RUN = "etl_bench"
TABLES = ("marts.funnel_daily", "marts.revenue_daily", "marts.product_daily")


def measure() -> dict[str, Any]:
    """CPU-seconds of each Spark app at each size, of DuckDB, and the ratios."""
    found = {str(size): one(size) for size in SIZES}
    small, large = (found[str(size)] for size in SIZES)
    return {
        **found,
        "growth_of_10x_events": round(total(large) / total(small), 2),
        "spark_to_duckdb": round(total(large) / large["duckdb"], 2),
    }


def total(figures: dict[str, float]) -> float:
    """CPU-seconds of curate and marts."""
    return figures["curate"] + figures["marts"]


def one(size: int) -> dict[str, float]:
    """One size on a fresh stack."""
    with temporary_stack(*PARTS) as env:
        settings = running(env["CLICKSTREAM_STACK_DIR"])
        catalog.ensure(settings)
        rows = fill(settings, size)
        commit = httpx.get(f"{settings.nessie_uri}/api/v2/trees/main", timeout=30).json()["reference"]
        branch = {"name": RUN, "type": "BRANCH"}
        httpx.post(f"{settings.nessie_uri}/api/v2/trees", params=branch, json=commit, timeout=30).raise_for_status()
        cut = json.dumps({"0": rows.num_rows})
        cpu = {"dimensions": spark(settings, "dimensions"), "curate": spark(settings, "curate", "--cut", cut)}
        # Visits that begin on the last day end on the next one.
        days = sorted({str(day) for day in pc.cast(rows["event_time"], pa.date32()).unique().to_pylist()})
        cpu["marts"] = spark(settings, "marts", f"--days={','.join(days)}")
        begin = time.process_time()
        theirs = duck(rows)
        cpu["duckdb"] = round(time.process_time() - begin, 1)
        ours = [catalog.connect(settings, RUN).load_table(name).scan().to_arrow() for name in TABLES]
        for name, left, right in zip(TABLES, ours, theirs, strict=True):
            assert same(left, right), f"{name} differs between Spark and DuckDB"
    return cpu


def fill(settings: Settings, size: int) -> pa.Table:
    """Put the shop's good events into raw.clicks, as Flink would, and return them."""
    shop = stream.Shop(World(7, 50_000, 10_000), Faults(duplicates=0.001, broken=0, late=0, out_of_order=0.05))
    encoder = Encoder(shop.world)
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        for rows in stream.arrivals(shop, stream.days(UNTIL, DAYS, size)):
            for batch in batches(rows):
                file.write(b"\n".join(value for value in encoder.records(batch).values if value is not None) + b"\n")
        file.flush()
        table: pa.Table = duckdb.connect().sql((SQL / "raw_clicks.sql").read_text().replace("{file}", file.name)).to_arrow_table()
    wanted = catalog.connect(settings).load_table("raw.clicks")
    wanted.append(table.select([f.name for f in schema.tables()["raw.clicks"].fields]).cast(wanted.schema().as_arrow()))
    return table


def spark(settings: Settings, app: str, *args: str) -> float:
    """Run a Spark app as Airflow does; CPU-seconds of the app, the server and its executors."""
    before = cpu_of_spark(settings) + children()
    key = names.receipt_key("bench", RUN, app, 1)
    common = ["--ref", RUN, "--run", RUN, "--day", UNTIL.isoformat(), "--receipt", f"s3://{settings.s3_bucket}/{key}"]
    env = {"SPARK_REMOTE": f"{settings.spark_remote}/;token={read_secret(settings.spark_token_file)}"}
    command = [str(PYTHON), "-m", f"spark_apps.{app}", *common, *args]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, **settings.to_env(), **env})
    return round(cpu_of_spark(settings) + children() - before, 1)


def children() -> float:
    """CPU-seconds of this process's ended children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cpu_of_spark(settings: Settings) -> float:
    """CPU-seconds of the stack's Java processes of Spark, and of executors that ended before."""
    spark = [p for p in stop.processes(Stack(settings)) if any("org.apache.spark" in word for word in p.cmdline())]
    times = [process.cpu_times() for process in spark]
    return float(sum(t.user + t.system + t.children_user + t.children_system for t in times))


def duck(rows: pa.Table) -> list[pa.Table]:
    """The same three marts by DuckDB."""
    con = duckdb.connect()
    con.execute("SET TimeZone='UTC'; SET threads=2")
    con.register("clicks", rows)
    con.execute((SQL / "curate.sql").read_text())
    return [con.sql((SQL / f"{name.split('.')[1]}.sql").read_text()).to_arrow_table() for name in TABLES]


def same(ours: pa.Table, theirs: pa.Table) -> bool:
    """Equal rows in the columns that DuckDB computes."""
    columns = theirs.column_names
    left = [tuple(map(str, row.values())) for row in ours.select(columns).to_pylist()]
    right = [tuple(map(str, row.values())) for row in theirs.to_pylist()]
    return sorted(left) == sorted(right)
