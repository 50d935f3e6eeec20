"""S3, Nessie and Kafka for real, in a folder and on ports of their own: started, killed, stopped, started again."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from confluent_kafka import Producer

from clickstream_contracts import names
from tests.ports import free_ports
from tools.lake.catalog import catalog
from tools.localstack import checkup, layout, running, stop

pytestmark = pytest.mark.engine
ROOT = Path(__file__).parents[2]
PARTS = "s3,nessie,kafka"


class Small:
    """A stack of three parts, by its commands."""

    def __init__(self, home: Path) -> None:
        ports = {f"CLICKSTREAM_{name.upper()}": str(port) for name, port in free_ports().items()}
        self.env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}", "CLICKSTREAM_STACK_DIR": str(home), **ports}
        self.home = home

    def command(self, *argv: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "tools.localstack", *argv]
        return subprocess.run(command, env=self.env, cwd=ROOT, capture_output=True, text=True, check=False)

    def run(self, *argv: str) -> None:
        done = self.command(*argv)
        assert done.returncode == 0, done.stderr

    def parts(self) -> dict[str, dict[str, Any]]:
        return {part["name"]: part for part in json.loads(self.command("status", "--json").stdout)["parts"]}

    def processes(self) -> list[psutil.Process]:
        return stop.processes(layout.Stack(running(self.home)))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    stack = Small(tmp_path_factory.mktemp("small"))
    try:
        stack.run("up", "--only", PARTS)
        yield stack
    finally:
        stack.run("clean")


def send(stack: Small, text: str) -> int:
    """Send one record; returns its offset."""
    offsets: list[int] = []
    producer = Producer({"bootstrap.servers": running(stack.home).kafka_bootstrap, "acks": "all"})
    producer.produce(names.CLICKS_TOPIC, text.encode(), partition=0, on_delivery=lambda error, message: offsets.append(message.offset()))
    assert producer.flush(60) == 0
    return offsets[0]


def test_what_is_up_is_healthy_and_a_second_up_changes_nothing(small: Small) -> None:
    before = small.parts()
    assert {name for name, part in before.items() if part["state"] == "up"} == set(PARTS.split(","))
    small.run("up", "--only", PARTS)
    assert {n: p["pid"] for n, p in small.parts().items()} == {n: p["pid"] for n, p in before.items()}


def test_everything_listens_on_loopback_only(small: Small) -> None:
    found = [c.laddr.ip for p in small.processes() for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert len(found) >= 6
    assert {ip.removeprefix("::ffff:") for ip in found} == {"127.0.0.1"}


def test_strangers_get_nothing_from_s3_or_its_back_doors(small: Small) -> None:
    settings = running(small.home)
    assert httpx.get(f"{settings.s3_endpoint}/{settings.s3_bucket}").status_code == 403
    filer = f"http://127.0.0.1:{settings.s3_port + 3}"
    assert httpx.get(f"{filer}/buckets/").status_code == 401
    assert httpx.put(f"{filer}/buckets/{settings.s3_bucket}/x", content=b"x").status_code == 401


def test_no_file_of_the_stack_is_open_to_others(small: Small) -> None:
    assert stat.S_IMODE(small.home.stat().st_mode) == 0o700
    loose = [file for file in small.home.rglob("*") if file.is_file() and "secret" in str(file) and file.stat().st_mode & 0o077]
    assert loose == []


@pytest.mark.parametrize("part", ["kafka", "nessie", "s3"])
def test_a_killed_part_comes_back_with_its_data(small: Small, part: str) -> None:
    offset = send(small, part)
    old = small.parts()[part]["pid"]
    os.kill(old, signal.SIGKILL)
    deadline = time.monotonic() + 120
    while small.parts()[part]["state"] != "up" or small.parts()[part]["pid"] == old:
        assert time.monotonic() < deadline, f"{part} did not come back"
    assert catalog(running(small.home)).table_exists("raw.clicks")
    assert send(small, "after") == offset + 1


def test_master_data_is_loaded_once_and_history_is_not_rewritten(small: Small, tmp_path: Path) -> None:
    def load(country: str) -> "subprocess.CompletedProcess[str]":
        (tmp_path / "users.csv").write_text(f"user_id,country\nu1,{country}\n")
        command = [sys.executable, "-m", "tools.lake.master_data", "--users", str(tmp_path / "users.csv")]
        return subprocess.run(command, env=small.env, cwd=ROOT, capture_output=True, text=True, check=False)

    assert "1 of 1 states are new" in load("DE").stdout
    assert "0 of 1 states are new" in load("DE").stdout
    changed = load("FR")
    assert (changed.returncode, changed.stderr.count("\n")) == (2, 1)
    assert "u1" in changed.stderr
    assert "later updated_at" in changed.stderr


def test_a_branch_that_no_run_owns_is_found_with_its_cure(small: Small) -> None:
    stack = layout.Stack(running(small.home))
    uri = f"{stack.settings.nessie_uri}/api/v2/trees"
    main = httpx.get(f"{uri}/main").json()["reference"]
    name = names.branch("a_dag", "a_run")
    httpx.post(uri, params={"name": name, "type": "BRANCH"}, json=main).raise_for_status()
    [(what, cure)] = checkup.forgotten_branches(stack, airflow_is_up=False)
    assert name in what
    assert name in cure
    commit = httpx.get(f"{uri}/{name}").json()["reference"]["hash"]
    httpx.delete(f"{uri}/{name}@{commit}", params={"type": "BRANCH"}).raise_for_status()


def test_records_that_no_job_takes_are_found(small: Small) -> None:
    send(small, "waiting")
    [(what, cure)] = checkup.waiting_records(running(small.home), flink_is_up=False)
    assert names.CLICKS_TOPIC in what
    assert names.STREAMS in cure


def test_down_leaves_no_process_even_after_the_supervisor_was_killed(small: Small) -> None:
    offset = send(small, "before")
    os.kill(int((small.home / "run" / "supervisord.pid").read_text()), signal.SIGKILL)
    assert small.processes()
    small.run("down")
    assert small.processes() == []
    small.run("up", "--only", PARTS)
    assert send(small, "after") == offset + 1
    small.run("down")
    assert small.processes() == []
