"""Computes the versions of users and products (slowly changing dimensions, type 2) from the states that the shop sent."""

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from clickstream_contracts.receipt import Receipt
from spark_apps.common.cli import LakeOpener, argument_parser, run_app
from spark_apps.common.lake import Lake, open_lake

APP = "dimensions"
SQL = Path(__file__).parent
QUERIES = {"curated.users": SQL / "users.sql", "curated.products": SQL / "products.sql"}


def compute(lake: Lake, args: argparse.Namespace) -> Receipt:
    """Compute both dimensions. A table whose content is unchanged is not written, so a run without new states commits nothing."""

    def refresh(table: str) -> tuple[str, bool]:
        return lake.refresh(table, lake.sql(QUERIES[table]))

    with ThreadPoolExecutor(len(QUERIES)) as pool:
        results = dict(zip(QUERIES, pool.map(refresh, QUERIES), strict=True))
    return Receipt(
        app=APP,
        run=args.run,
        inputs={"ref": args.ref},
        rows=lake.row_counts(QUERIES),
        content={table: content for table, (content, _) in results.items()},
        facts={"changed": [table for table, (_, changed) in results.items() if changed]},
    )


def main(argv: list[str], opener: LakeOpener = open_lake) -> int:
    """Run the app with its command line arguments; returns the exit code."""
    return run_app(APP, argument_parser(APP, __doc__ or ""), compute, argv, opener)
