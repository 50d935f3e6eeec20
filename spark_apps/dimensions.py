"""Makes the versions of users and products (slowly changing dimensions, type 2) from the states that the shop reported."""

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor

from clickstream_contracts.receipt import Receipt
from spark_apps.engine import Lake, open_lake
from spark_apps.entry import Opener, parser, run

APP = "dimensions"
DIMENSIONS = {"curated.users": "dimension_users", "curated.products": "dimension_products"}


def work(lake: Lake, args: argparse.Namespace) -> Receipt:
    """Both dimensions; one whose content is the same already is left alone, so that a quiet night writes nothing."""
    with ThreadPoolExecutor(len(DIMENSIONS)) as pool:
        answers = dict(zip(DIMENSIONS, pool.map(lambda table: lake.refresh(table, lake.sql(DIMENSIONS[table])), DIMENSIONS), strict=True))
    return Receipt(
        app=APP,
        run=args.run,
        inputs={"ref": args.ref},
        rows=lake.rows(DIMENSIONS),
        content={table: content for table, (content, _) in answers.items()},
        facts={"changed": [table for table, (_, changed) in answers.items() if changed]},
    )


def main(argv: list[str], opener: Opener = open_lake) -> int:
    """Entry point: the arguments without the program's name, the exit code back."""
    return run(APP, parser(APP, __doc__ or ""), work, argv, opener)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
