"""An upgrade from one version to the next with running streams and four clients that ask for recommendations."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import overlay
from tests.cluster.cluster import Cluster
from tests.cluster.next_version import COLUMN
from tests.cluster.test_50_kills import ledger_balances, live_shop, streams_run
from tests.manifests.rendered import ROOT
from tests.shop_day import eventually

VERSION = os.environ.get("TEST_UPGRADE_TAG", "")
# The most seconds without a list while one Ray head replaces another, as docs/kubernetes.md says.
LONGEST_GAP = 60
# Asks for a list in a loop. Prints how many answers had which status, the longest time between two lists, and the other answers.
CLIENT = """
import collections, json, sys, time, httpx
from clickstream_contracts.settings import Settings, read_secret
settings = Settings.from_env()
headers = {"Authorization": "Bearer " + read_secret(settings.serve_token_file)}
counts, others, start = collections.Counter(), [], time.monotonic()
last, longest, end = start, 0.0, start + float(sys.argv[1])
with httpx.Client(base_url=settings.serve_uri, headers=headers, timeout=10) as http:
    while time.monotonic() < end:
        try:
            answer = http.get("/recommend/user-1")
            status, text = str(answer.status_code), answer.text[:80]
        except httpx.HTTPError as error:
            status, text = type(error).__name__, ""
        counts[status] += 1
        if status == "200":
            last = time.monotonic()
        else:
            others.append([round(time.monotonic() - start, 1), status, text])
        longest = max(longest, time.monotonic() - last)
        time.sleep(0.25)
print(json.dumps({"statuses": counts, "longest_gap": round(longest, 1), "others": others[:40]}))
"""


# Sends an event with the field that only the next version has.
SEND = f"""
import json, time
from confluent_kafka import Producer
from clickstream_contracts import kafka_clients, names
from clickstream_contracts.settings import Settings
event = {{{{"event_id": "{{event_id}}", "event_type": "page_view", "event_time": int(time.time() * 1000), "schema_version": 1,
            "session_id": "{{event_id}}", "{COLUMN}": "spring"}}}}
kafka = Producer(kafka_clients.librdkafka(Settings.from_env()))
kafka.produce(names.CLICKS_TOPIC, json.dumps(event), key="{{event_id}}")
assert kafka.flush(60) == 0
"""
READ = f"""
from clickstream_contracts.settings import Settings
from tools.lake import catalog
clicks = catalog.open_catalog(Settings.from_env()).load_table("raw.clicks")
print([row.get("{COLUMN}") for row in clicks.scan("event_id = '{{event_id}}'").to_arrow().to_pylist()])
"""


@pytest.mark.skipif(not VERSION, reason="TEST_UPGRADE_TAG: the tag of the images of another version")
def test_an_upgrade_loses_nothing(deployed: Cluster, measured: dict[str, Any], tmp_path: Path) -> None:
    """The images of TEST_UPGRADE_TAG are those of tests/cluster/next_version.py: another contract, another table, other fraud rules."""
    run, seconds = f"upgrade-{int(time.time())}", 600
    traffic = deployed.start_tool(*live_shop(run, 20, seconds))
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
    upgraded.wait_for_run("clickstream_streams", upgraded.trigger("clickstream_streams", run), 1800)
    event_id = f"{run}-with-the-new-field"
    upgraded.python(SEND.format(event_id=event_id))
    eventually(lambda: upgraded.python(READ.format(event_id=event_id)).strip() == "['spring']", "the new field is in the lake", 600, 10)
    assert max(client["longest_gap"] for client in measured["clients"]) <= LONGEST_GAP


SQL = "flink_apps/clicks_to_lake/pipeline.sql"
DEFINITION = """
import httpx
from clickstream_contracts import names
from clickstream_contracts.settings import Settings
jobs = httpx.get(f"{Settings.from_env().flink_uri}/jobs/overview", timeout=30).json()["jobs"]
print([job["name"] for job in jobs if job["state"] == "RUNNING" and job["name"].startswith(names.CLICKS_TO_LAKE_JOB)])
"""


def test_a_definition_that_does_not_run_is_rolled_back(deployed: Cluster, measured: dict[str, Any], tmp_path: Path) -> None:
    """An image with a broken definition is deployed while the shop sends events: the definition that ran before runs again."""
    run = f"broken-{int(time.time())}"
    eventually(lambda: streams_run(deployed), "all streams run", 1200, 15)
    before = deployed.in_scheduler("python", "-c", DEFINITION)
    text = (ROOT / SQL).read_text()
    broken_text = text.replace("FROM records CROSS JOIN", "FROM missing_table CROSS JOIN")
    assert broken_text != text
    broken = Cluster(deployed.kubeconfig, overlay.write_with_file(tmp_path / "broken", deployed.overlay, SQL, broken_text))
    traffic = deployed.start_tool(*live_shop(run, 20, 300))
    broken.script("deploy-all", "--yes", "--skip-check")
    run_id = broken.trigger("clickstream_streams", run)
    eventually(lambda: broken.run_state("clickstream_streams", run_id) in {"success", "failed"}, "the deployment has ended", 1800, 10)
    measured["tasks"] = broken.task_states("clickstream_streams", run_id)
    assert measured["tasks"]["deploy_clicks_to_lake"] == "failed"
    eventually(lambda: streams_run(broken), "all streams run again", 900, 15)
    assert broken.in_scheduler("python", "-c", DEFINITION) == before
    output, _ = traffic.communicate(timeout=600)
    assert traffic.returncode == 0, output[-3000:]
    eventually(lambda: ledger_balances(broken, run), "the ledger balances", 600, 10)
    deployed.script("deploy-all", "--yes", "--skip-check")
    deployed.wait_for_run("clickstream_streams", deployed.trigger("clickstream_streams", f"{run}-mended"), 1800)
    assert deployed.in_scheduler("python", "-c", DEFINITION) == before
