"""An upgrade from one version to the next with running streams and four clients that ask for recommendations."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import overlay
from tests.cluster.cluster import Cluster
from tests.cluster.test_50_kills import ledger_balances, streams_run
from tests.shop_day import eventually

VERSION = os.environ.get("TEST_UPGRADE_TAG", "")
# Asks for a list in a loop and prints, at the end, how many answers had which status, and the longest time without an answer of 200.
CLIENT = """
import collections, json, sys, time, httpx
from clickstream_contracts.settings import Settings, read_secret
settings = Settings.from_env()
headers = {"Authorization": "Bearer " + read_secret(settings.serve_token_file)}
counts, last, longest, end = collections.Counter(), time.monotonic(), 0.0, time.monotonic() + float(sys.argv[1])
with httpx.Client(base_url=settings.serve_uri, headers=headers, timeout=10) as http:
    while time.monotonic() < end:
        try:
            status = str(http.get("/recommend/user-1").status_code)
        except httpx.HTTPError as error:
            status = type(error).__name__
        counts[status] += 1
        if status == "200":
            last = time.monotonic()
        longest = max(longest, time.monotonic() - last)
        time.sleep(0.25)
print(json.dumps({"statuses": counts, "longest_gap": round(longest, 1)}))
"""


@pytest.mark.skipif(not VERSION, reason="TEST_UPGRADE_TAG: the tag of the images of another version")
def test_an_upgrade_loses_nothing(deployed: Cluster, measured: dict[str, Any], tmp_path: Path) -> None:
    run, seconds = f"upgrade-{int(time.time())}", 600
    options = (
        "--rate",
        "20",
        "--seconds",
        str(seconds),
        "--seed",
        str(int(time.time())),
        "--run",
        run,
        "--users",
        "2000",
        "--products",
        "500",
    )
    traffic = deployed.start_tool("tools.shop", "live", "--no-master-data", *options)
    clients = [deployed.start_python(CLIENT, str(seconds)) for _ in range(4)]
    upgraded = Cluster(deployed.kubeconfig, overlay.write(tmp_path / "upgrade", deployed.kubeconfig, VERSION))
    upgraded.script("deploy-all", "--yes", "--skip-check")
    measured["clients"] = [json.loads(client.communicate(timeout=seconds + 300)[0].splitlines()[-1]) for client in clients]
    output, _ = traffic.communicate(timeout=600)
    assert traffic.returncode == 0, output[-3000:]
    eventually(lambda: streams_run(upgraded), "all streams run again", 1200, 15)
    eventually(lambda: ledger_balances(upgraded, run), "the ledger balances", 600, 10)
    images = upgraded.kubectl("get", "pods", "-A", "-o", "jsonpath={.items[*].spec.containers[*].image}").split()
    measured["images"] = sorted({image for image in images if "clickstream/" in image})
    assert any(image.endswith(f":{VERSION}") for image in images)
