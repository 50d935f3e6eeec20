"""S3, Nessie and Kafka for real, in a folder and on ports of their own: started, killed, stopped and started again."""

import json
import os
import re
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
from tools.lake import catalog
from tools.localstack import checks, components, layout, running, stop

pytestmark = pytest.mark.engine
ROOT = Path(__file__).parents[2]
COMPONENTS = "s3,nessie,kafka"


class SmallStack:
    """A local stack of a few components, used through its commands."""

    def __init__(self, folder: Path) -> None:
        ports = {f"CLICKSTREAM_{name.upper()}": str(port) for name, port in free_ports().items()}
        self.env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}", "CLICKSTREAM_STACK_DIR": str(folder), **ports}
        self.folder = folder

    def command(self, *argv: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "tools.localstack", *argv]
        return subprocess.run(command, env=self.env, cwd=ROOT, capture_output=True, text=True, check=False)

    def run(self, *argv: str) -> None:
        result = self.command(*argv)
        assert result.returncode == 0, result.stderr

    def components(self) -> dict[str, dict[str, Any]]:
        """Returns each component's status by its name."""
        status = json.loads(self.command("status", "--json").stdout)
        return {component["name"]: component for component in status["components"]}

    def processes(self) -> list[psutil.Process]:
        return stop.processes(layout.Stack(running(self.folder)))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallStack]:
    stack = SmallStack(tmp_path_factory.mktemp("small"))
    try:
        stack.run("up", "--only", COMPONENTS)
        yield stack
    finally:
        stack.run("clean")


def pids(components: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Returns the process ids by component name."""
    return {name: component["pid"] for name, component in components.items()}


def send(stack: SmallStack, text: str) -> int:
    """Send one record; returns its offset."""
    offsets: list[int] = []
    producer = Producer({"bootstrap.servers": running(stack.folder).kafka_bootstrap, "acks": "all"})
    producer.produce(names.CLICKS_TOPIC, text.encode(), partition=0, on_delivery=lambda error, message: offsets.append(message.offset()))
    assert producer.flush(60) == 0
    return offsets[0]


def test_a_second_up_leaves_healthy_components_alone(small: SmallStack) -> None:
    before = small.components()
    assert {name for name, component in before.items() if component["state"] == "up"} == set(COMPONENTS.split(","))
    small.run("up", "--only", COMPONENTS)
    assert pids(small.components()) == pids(before)


def test_restart_restarts_the_named_component_alone(small: SmallStack) -> None:
    before = pids(small.components())
    small.run("restart", "nessie")
    after = small.components()
    assert {name for name in before if after[name]["pid"] != before[name]} == {"nessie"}
    assert after["nessie"]["state"] == "up"


def test_a_changed_component_is_restarted_also_when_it_is_not_selected(small: SmallStack) -> None:
    before = small.components()
    small.env["CLICKSTREAM_AIRFLOW_RETENTION_DAYS"] = "29"
    up = small.command("up", "--only", "s3")
    assert up.returncode == 0, up.stderr
    assert re.search(r"kafka +stopped, because its settings or files have changed", up.stderr), up.stderr
    after = small.components()
    assert {name for name, component in after.items() if component["state"] == "up"} == set(COMPONENTS.split(","))
    assert {name for name in before if after[name]["pid"] != before[name]["pid"]} == set(COMPONENTS.split(","))


def test_everything_listens_on_loopback_only(small: SmallStack) -> None:
    addresses = [c.laddr.ip for p in small.processes() for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert len(addresses) >= 6
    assert {ip.removeprefix("::ffff:") for ip in addresses} == {"127.0.0.1"}


def test_s3_and_its_internal_ports_reject_requests_without_credentials(small: SmallStack) -> None:
    settings = running(small.folder)
    assert httpx.get(f"{settings.s3_endpoint}/{settings.s3_bucket}").status_code == 403
    filer = f"http://127.0.0.1:{settings.s3_port + 3}"
    assert httpx.get(f"{filer}/buckets/").status_code == 401
    assert httpx.put(f"{filer}/buckets/{settings.s3_bucket}/x", content=b"x").status_code == 401


def test_no_file_of_the_stack_is_open_to_others(small: SmallStack) -> None:
    assert stat.S_IMODE(small.folder.stat().st_mode) == 0o700
    readable = [file for file in small.folder.rglob("*") if file.is_file() and "secret" in str(file) and file.stat().st_mode & 0o077]
    assert readable == []


@pytest.mark.parametrize("name", ["kafka", "nessie", "s3"])
def test_a_killed_component_restarts_with_its_data(small: SmallStack, name: str) -> None:
    offset = send(small, name)
    old = small.components()[name]["pid"]
    os.kill(old, signal.SIGKILL)
    deadline = time.monotonic() + 120
    while small.components()[name]["state"] != "up" or small.components()[name]["pid"] == old:
        assert time.monotonic() < deadline, f"{name} did not restart"
    assert catalog.open_catalog(running(small.folder)).table_exists("raw.clicks")
    assert send(small, "after") == offset + 1


def test_master_data_is_loaded_once_and_history_is_not_rewritten(small: SmallStack, tmp_path: Path) -> None:
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


def test_currency_rates_are_loaded_once_and_replaced_only_on_demand(small: SmallStack, tmp_path: Path) -> None:
    def load(rate: str, *options: str, reporting: str = "EUR") -> "subprocess.CompletedProcess[str]":
        (tmp_path / "rates.csv").write_text(f"reporting_currency,currency,day,rate\n{reporting},USD,2026-01-02,{rate}\n")
        command = [sys.executable, "-m", "tools.lake.master_data", "--rates", str(tmp_path / "rates.csv"), *options]
        return subprocess.run(command, env=small.env, cwd=ROOT, capture_output=True, text=True, check=False)

    assert "1 of 1 rates are new" in load("0.85").stdout
    assert "0 of 1 rates are new" in load("0.85").stdout
    for refused in (load("0.86"), load("0.85", reporting="CHF")):
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
        assert "--replace-rates" in refused.stderr
    assert "1 of 1 rates are new" in load("0.86", "--replace-rates").stdout
    [rate] = catalog.open_catalog(running(small.folder)).load_table("landing.currency_rates").scan().to_arrow().to_pylist()
    assert (rate["reporting_currency"], rate["currency"], str(rate["day"]), str(rate["rate"])) == ("EUR", "USD", "2026-01-02", "0.86000000")


def test_the_doctor_reports_a_left_over_branch_with_its_fix(small: SmallStack) -> None:
    stack = layout.Stack(running(small.folder))
    uri = f"{stack.settings.nessie_uri}/api/v2/trees"
    main = httpx.get(f"{uri}/main").json()["reference"]
    name = names.branch("a_dag", "a_run")
    httpx.post(uri, params={"name": name, "type": "BRANCH"}, json=main).raise_for_status()
    [(problem, fix)] = checks.left_over_branches(stack, airflow_is_up=False)
    assert name in problem
    assert name in fix
    commit = httpx.get(f"{uri}/{name}").json()["reference"]["hash"]
    httpx.delete(f"{uri}/{name}@{commit}", params={"type": "BRANCH"}).raise_for_status()


def test_the_doctor_reports_consumer_lag_without_a_job(small: SmallStack) -> None:
    send(small, "waiting")
    [(problem, fix)] = checks.consumer_lag(running(small.folder), flink_is_up=False)
    assert names.CLICKS_TOPIC in problem
    assert names.STREAMS in fix


def test_down_finds_no_process_to_kill_and_leaves_no_file_in_tmp(small: SmallStack) -> None:
    """SeaweedFS makes sockets in /tmp, and a JVM a file with its process id."""
    stack = layout.Stack(running(small.folder))
    pids = {str(process.pid) for process in small.processes()}
    files = [file for component in components.components(stack) for file in component.temporary if Path("/tmp") in file.parents]
    assert [file for file in files if file.exists()]
    down = small.command("down")
    assert (down.returncode, "remaining" in down.stderr) == (0, False), down.stderr
    assert [file for file in files if file.exists()] == []
    assert not pids & {file.name for file in Path("/tmp").glob("hsperfdata_*/*")}
    assert not (small.folder / "tmp").exists()
    small.run("up", "--only", COMPONENTS)


def test_down_leaves_no_process_even_after_the_supervisor_was_killed(small: SmallStack) -> None:
    offset = send(small, "before")
    os.kill(int((small.folder / "run" / "supervisord.pid").read_text()), signal.SIGKILL)
    assert small.processes()
    small.run("down")
    assert small.processes() == []
    small.run("up", "--only", COMPONENTS)
    assert send(small, "after") == offset + 1
    small.run("down")
    assert small.processes() == []
