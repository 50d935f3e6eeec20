"""Runs the sample jobs of scripts/submit-sample-jobs.sh on a local stack of its own and writes the hashes of the tables.

python -m tests.cluster.laptop_content FILE [--until YYYY-MM-DD]
"""

import argparse
import json
from pathlib import Path

from bench.stack import temporary_stack
from clickstream_contracts import names
from tests.shop_day import Shop
from tools.demo.dag_runs import ReleaseChain


def main() -> None:
    """Start the stack, send one day, run the DAGs up to the rollout, write the hashes."""
    parser = argparse.ArgumentParser(
        prog="tests.cluster.laptop_content", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="where the hashes are written, as JSON")
    parser.add_argument("--until", default="", help="the day that the cluster's shop has sent; default: yesterday")
    args = parser.parse_args()
    with temporary_stack() as env:
        shop = Shop(env)
        shop.start_streams()
        shop.run("tools.shop", "history", "--days", "1", "--events", "20000", *(["--until", args.until] if args.until else []))
        chain = ReleaseChain(shop.airflow)
        run_id = shop.airflow.trigger(names.NIGHTLY, {})
        shop.airflow.unpause(names.NIGHTLY)
        shop.finish(names.NIGHTLY, run_id)
        for dag_id in (names.FEATURES, names.TRAIN, names.ROLLOUT):
            chain.follow(dag_id)
        args.file.write_text(shop.run("tests.cluster.content").stdout)
    print(json.dumps(json.loads(args.file.read_text()), indent=1))


if __name__ == "__main__":
    main()
