"""A backup, everything deleted, the same backup restored into an empty cluster: each tag has the rows that it had."""

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError

from tests.cluster import client
from tests.cluster.cluster import STORE, Cluster
from tests.cluster.test_50_kills import ledger_balances, streams_run
from tests.ports import free_ports
from tests.shop_day import eventually

BUCKET = "backup"
# Prints the rows of each table at each tag.
ROWS = """
import json
from clickstream_contracts import schema
from clickstream_contracts.settings import Settings
from tools.lake import catalog, nessie
settings = Settings.from_env()
rows = {}
for tag in nessie.references(settings, "TAG"):
    lake = catalog.open_catalog(settings, tag["name"])
    rows[tag["name"]] = {name: catalog.row_count(lake, name) for name in sorted(schema.tables()) if lake.table_exists(name)}
print(json.dumps(rows))
"""


@contextmanager
def object_store(cluster: Cluster) -> Iterator[Any]:
    """An S3 client of the cluster's object store, through a port-forward."""
    secret = json.loads(cluster.kubectl("-n", STORE, "get", "secret", "lake-keys", "-o", "json"))["data"]
    access_key, secret_key = (base64.b64decode(secret[key]).decode() for key in ("s3_access_key", "s3_secret_key"))
    port = free_ports()["s3_port"]
    command = ["kubectl", "-n", STORE, "port-forward", "svc/object-store", f"{port}:9000"]
    forward = subprocess.Popen(command, env=cluster.env, stdout=subprocess.DEVNULL)
    try:
        s3 = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            region_name="us-east-1",
        )
        eventually(lambda: is_reachable(s3), "the object store responds", 60, 1)
        yield s3
    finally:
        forward.terminate()
        forward.wait(timeout=30)


def is_reachable(s3: Any) -> bool:
    """Whether the port-forward works and the object store responds."""
    try:
        return s3.list_buckets() is not None
    except (EndpointConnectionError, ConnectionClosedError):
        return False


def download(cluster: Cluster, folder: Path) -> int:
    """Copy the bucket of the backups to a folder of this machine; returns the number of objects."""
    with object_store(cluster) as s3:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        for key in keys:
            (folder / key).parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(BUCKET, key, str(folder / key))
    return len(keys)


def upload(cluster: Cluster, folder: Path) -> None:
    """Copy the folder into the bucket of the backups, and create the bucket if need be."""
    with object_store(cluster) as s3:
        if BUCKET not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
            s3.create_bucket(Bucket=BUCKET)
        for file in folder.rglob("*"):
            if file.is_file():
                s3.upload_file(str(file), BUCKET, str(file.relative_to(folder)))


def test_a_backup_is_restored_into_an_empty_cluster(deployed: Cluster, measured: dict[str, Any], tmp_path: Path) -> None:
    deployed.script("backup")
    before = json.loads(deployed.python(ROWS, timeout=900))
    runs_before = deployed.run_states("clickstream_nightly")
    assert before
    assert runs_before
    measured |= {"tags": len(before), "objects": download(deployed, tmp_path)}
    deployed.script("teardown", "--yes", "--delete-data")
    deployed.script("deploy-all", "--yes", "--skip-check")
    upload(deployed, tmp_path)
    start = time.monotonic()
    deployed.script("restore", "--from", "newest", "--yes", "--new-kafka")
    measured["restore_seconds"] = round(time.monotonic() - start, 1)
    client.create(deployed)
    assert json.loads(deployed.python(ROWS, timeout=900)) == before
    assert deployed.run_states("clickstream_nightly").items() >= runs_before.items()


def test_the_streams_go_on_after_the_restore(deployed: Cluster) -> None:
    eventually(lambda: streams_run(deployed), "all streams run again", 1200, 15)
    run = f"restored-{int(time.time())}"
    options = ("--rate", "50", "--seconds", "10", "--seed", "7", "--run", run, "--users", "2000", "--products", "500")
    deployed.tool("tools.shop", "live", "--no-master-data", *options)
    eventually(lambda: ledger_balances(deployed, run), "the ledger balances", 600, 10)
