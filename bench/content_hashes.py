"""Prints hashes of the content of all tables after two nightly runs and a features run, and of the fraud scores of a corpus, for one seed.

    python -m bench.content_hashes --out FILE           runs it: a local stack of its own (s3, nessie, spark), and Flink
    python -m bench.content_hashes --compare OLD NEW    exit code 1 if any content differs

Two versions of the code that give the same hashes compute the same numbers. `bench/results/content_hashes.json` holds the
hashes of the last version whose numbers were meant to change. IGNORED columns are left out: wall-clock times, and columns
that were added since.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.compute as pc

from bench.batch import COMPONENTS, DAYS, UNTIL, create_branch, run_spark_app, write_raw_clicks
from bench.stack import temporary_stack
from clickstream_contracts import schema
from clickstream_contracts.settings import Settings
from tools.fraud.flink_process import PYTHON as FLINK_PYTHON
from tools.fraud.flink_process import environment
from tools.lake import catalog, master_data
from tools.localstack import running
from tools.shop import master
from tools.shop.world import World

EVENTS = 60_000
CORPUS = ("--seed", "1", "--events", "20000", "--until", "2026-01-05", "--attacks", "3")
IGNORED = {"amount", "scored_at", "raised_at"}
NAMESPACES = ("curated", "marts", "features")
# Share of the events that have arrived before each of the nightly runs.
ARRIVED = (0.6, 1.0)
Hashes = dict[str, dict[str, str]]


def main(argv: list[str]) -> int:
    """Run or compare. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="bench.content_hashes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="file for the hashes, as JSON")
    parser.add_argument("--compare", type=Path, nargs=2, metavar=("OLD", "NEW"), help="two files of earlier runs")
    args = parser.parse_args(argv)
    if args.compare:
        old, new = (json.loads(path.read_text()) for path in args.compare)
        return compare(old, new)
    text = json.dumps({"tables": table_hashes(), "fraud": fraud_hashes()}, indent=1, sort_keys=True)
    if args.out:
        args.out.write_text(text + "\n")
    print(text)
    return 0


def compare(old: Hashes, new: Hashes) -> int:
    """Print each content that differs. Returns 1 if any does."""
    names = [(kind, name) for kind in sorted({*old, *new}) for name in sorted({*old.get(kind, {}), *new.get(kind, {})})]
    different = [(kind, name) for kind, name in names if old.get(kind, {}).get(name) != new.get(kind, {}).get(name)]
    for kind, name in different:
        print(f"{kind} {name}: {old.get(kind, {}).get(name)} -> {new.get(kind, {}).get(name)}")
    print(f"{len(names) - len(different)} of {len(names)} contents are equal")
    return 1 if different else 0


def table_hashes() -> dict[str, str]:
    """Returns the content of each table that the batch apps write, after two nightly runs and a features run."""
    with temporary_stack(*COMPONENTS) as env:
        settings = running(env["CLICKSTREAM_STACK_DIR"])
        catalog.ensure(settings)
        load_master_data(settings)
        clicks = write_raw_clicks(settings, EVENTS)
        for number, share in enumerate(ARRIVED, 1):
            nightly(settings, f"etl_night{number}", clicks.slice(0, int(clicks.num_rows * share)))
        publish(settings, "etl_features", lambda branch: run_spark_app(settings, "features", branch=branch))
        names = [name for name in sorted(schema.tables()) if name.split(".")[0] in NAMESPACES]
        main_catalog = catalog.open_catalog(settings)
        return {name: content(main_catalog.load_table(name).scan().to_arrow()) for name in names}


def load_master_data(settings: Settings) -> None:
    """Append the simulated shop's users and products of the benchmark's days, with their changes."""
    end = datetime.combine(UNTIL, datetime.min.time(), UTC) + timedelta(days=1)
    begin = end - timedelta(days=DAYS + 1)
    span = (int(begin.timestamp() * 1000), int(end.timestamp() * 1000))
    world = World(7, 50_000, 10_000)
    master_data.append(settings, "landing.users", master.users(world, *span))
    master_data.append(settings, "landing.products", master.products(world, *span))


def nightly(settings: Settings, branch: str, arrived: pa.Table) -> None:
    """Run and publish one nightly run over the clicks that have arrived."""
    days = sorted({str(day) for day in pc.cast(arrived["event_time"], pa.date32()).unique().to_pylist()})

    def work(branch: str) -> None:
        run_spark_app(settings, "dimensions", branch=branch)
        run_spark_app(settings, "curate", "--end-offsets", json.dumps({"0": arrived.num_rows}), branch=branch)
        run_spark_app(settings, "marts", f"--days={','.join(days)}", branch=branch)

    publish(settings, branch, work)


def publish(settings: Settings, branch: str, work: Callable[[str], Any]) -> None:
    """Create a branch of main, do the work on it, merge it back."""
    trees = f"{settings.nessie_uri}/api/v2/trees"
    base = create_branch(settings, branch)
    work(branch)
    head = httpx.get(f"{trees}/{branch}", timeout=30).json()["reference"]["hash"]
    body = {"fromRefName": branch, "fromHash": head, "defaultKeyMergeMode": "NORMAL", "isReturnConflictAsResult": True}
    merge = httpx.post(f"{trees}/main@{base}/history/merge", json=body, timeout=60).json()
    assert merge["wasSuccessful"], merge


def content(rows: pa.Table) -> str:
    """Returns the number of rows and the SHA-256 of the sorted rows, without the ignored columns."""
    columns = sorted(set(rows.column_names) - IGNORED)
    return digest(str([row[name] for name in columns]) for row in rows.select(columns).to_pylist())


def digest(lines: Iterable[str]) -> str:
    """Returns the number of lines and the SHA-256 of the sorted lines."""
    ordered = sorted(lines)
    text = "\n".join(ordered)
    return f"{len(ordered)}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def fraud_hashes() -> dict[str, str]:
    """Returns the content of the scores, alerts and late events of a labelled corpus."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = [sys.executable, "-m", "tools.shop", "corpus", "--out", name, *CORPUS]
        subprocess.run(corpus, check=True, stdout=subprocess.DEVNULL)
        job = [str(FLINK_PYTHON), "-m", "flink_apps.fraud_scores.from_file", str(folder / "events.json"), name]
        subprocess.run(job, check=True, env=os.environ | environment(folder), stdout=subprocess.DEVNULL)
        return {kind: digest(json_lines(folder / kind)) for kind in ("scores", "alerts", "late")}


def json_lines(folder: Path) -> list[str]:
    """Returns the JSON lines of a folder of files, with sorted keys and without the ignored ones."""
    lines = [line for path in sorted(folder.rglob("*")) if path.is_file() for line in path.read_text().splitlines()]
    rows = (json.loads(line) for line in lines)
    return [json.dumps({key: row[key] for key in sorted(row) if key not in IGNORED}) for row in rows]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
