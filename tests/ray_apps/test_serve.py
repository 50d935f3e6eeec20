"""Serving with S3, Nessie, Kafka and a Ray head with HAProxy, over HTTP. Each test continues from the state of the one before."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.schema import Schema
from pyiceberg.types import NestedField, StringType

from clickstream_contracts import names
from clickstream_contracts.rollout_pointer import Pointer
from clickstream_contracts.serving_api import CANDIDATE, STABLE
from clickstream_contracts.settings import Settings, read_env_file, read_secret
from ray_apps.common.model_registry import MODELS, ROLLOUT
from ray_apps.common.storage import open_storage, read_bytes, write_bytes
from ray_apps.recommender import artefacts
from ray_apps.recommender.artefacts import SESSIONS
from ray_apps.serving.split import variant_of
from tests.ports import free_ports
from tests.ray_apps.client import Client, clients
from tests.ray_apps.head import ROOT, Head, ray_head
from tests.ray_apps.serving import artefact

pytestmark = pytest.mark.engine
TIMEOUT_SECONDS = 240
ITEMS = ["p-3", "p-4"]


@dataclass(frozen=True)
class Shop:
    """The running services, and the steps that a test takes with them."""

    settings: Settings
    head: Head

    @cached_property
    def client(self) -> Client:
        return Client(self.head.uri, read_secret(self.settings.serve_token_file))

    @cached_property
    def catalog(self) -> RestCatalog:
        return RestCatalog("nessie", **self.settings.pyiceberg())

    @cached_property
    def producer(self) -> Producer:
        return Producer({"bootstrap.servers": self.settings.kafka_bootstrap, "linger.ms": 0})

    def deploy(self) -> None:
        command = [sys.executable, "-m", "ray_apps.serving.application"]
        process = subprocess.run(command, env=self.head.env, cwd=ROOT, capture_output=True, text=True, check=False)
        assert process.returncode == 0, process.stderr + self.head.logs()

    def add_model(self, data_tag: str, flip_a_byte: bool = False) -> str:
        """Write a model to the store and register it in ml.models. Returns its sha256."""
        uri = f"s3://{self.settings.s3_bucket}/models/{data_tag.replace(' ', '-')}"
        sha256 = artefacts.write(artefact(data_tag), *open_storage(uri, self.settings)).sha256
        if flip_a_byte:
            content = bytearray(read_bytes(f"{uri}/{SESSIONS}", self.settings))
            content[len(content) // 2] ^= 1
            write_bytes(f"{uri}/{SESSIONS}", bytes(content), self.settings)
        texts = dict.fromkeys(("parameters", "metrics", "trials", "code_versions", "verdict"), "{}") | {"data_commit": "c", "run": "r"}
        row = {"model_sha256": sha256, "uri": uri, "created_at": now(), "data_tag": data_tag, "seed": 7, "passed": True, **texts}
        self.append(MODELS, row)
        return sha256

    def move_pointer(self, pointer: Pointer) -> None:
        columns = {"at": now(), "data_tag": "t", "rule_version": "1", "action": "step", "reason": "", "run": "r"}
        self.append(ROLLOUT, pointer.__dict__ | columns)

    def wait_for_models(self, pointer: Pointer) -> None:
        """Wait until all replicas serve the models of the pointer."""
        models = [pointer.stable, pointer.candidate]
        self.wait_for_response("/variants", lambda response: [fields["model"] for fields in response["variants"].values()] == models)

    def append(self, table_name: str, row: dict[str, Any]) -> None:
        table = self.catalog.load_table(table_name)
        table.append(pa.Table.from_pylist([row], table.schema().as_arrow()))

    def view(self, user_id: str, item: str) -> None:
        event = {"event_type": "view_item", "user_id": user_id, "product_id": item, "event_time": int(1000 * time.time())}
        self.producer.produce(names.CLICKS_TOPIC, json.dumps(event).encode(), user_id.encode())
        self.producer.flush(10)

    def wait_for_response(self, path: str, is_expected: Callable[[Any], bool], body: Any = None) -> Any:
        """Repeat a request until its response is the expected one. Returns the response."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            try:
                status, response = self.client(path, body)
            except OSError as error:
                status, response = 0, str(error)
            if status == 200 and is_expected(response):
                return response
            assert time.monotonic() < deadline, f"{path}: {status} {response}\n{self.head.logs()}"
            time.sleep(0.05)


def now() -> datetime:
    return datetime.now(UTC)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A local stack with S3, Nessie and Kafka. TEST_STACK_DIR names one that is running already; it is not stopped."""
    running_stack = os.environ.get("TEST_STACK_DIR")
    home = Path(running_stack) if running_stack else tmp_path_factory.mktemp("stack")
    ports = {f"CLICKSTREAM_{name.upper()}": str(port) for name, port in free_ports().items()}
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}", "CLICKSTREAM_STACK_DIR": str(home), **ports}
    stack = [str(ROOT / ".venvs" / "tools" / "bin" / "python"), "-m", "tools.localstack"]
    try:
        if not running_stack:
            subprocess.run([*stack, "up", "--only", "s3,nessie,kafka"], cwd=ROOT, env=env, check=True)
        settings = Settings.from_env(read_env_file(home / "settings.env"))
        create_table_and_topic(settings)
        yield settings
    finally:
        if not running_stack:
            subprocess.run([*stack, "clean"], cwd=ROOT, env=env, check=False)


def create_table_and_topic(settings: Settings) -> None:
    """Create what other packages create in a full stack: the table ml.models and the topic of recommendations."""
    catalog = RestCatalog("nessie", **settings.pyiceberg())
    catalog.create_namespace_if_not_exists("ml")
    fields = [NestedField(number, name, StringType(), required=True) for number, name in enumerate(("model_sha256", "uri"), 1)]
    catalog.create_table_if_not_exists(MODELS, Schema(*fields))
    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap})
    if names.RECOMMENDATIONS_TOPIC not in admin.list_topics(timeout=10).topics:
        topic = NewTopic(names.RECOMMENDATIONS_TOPIC, 2, 1, config={"cleanup.policy": "compact"})
        admin.create_topics([topic])[names.RECOMMENDATIONS_TOPIC].result(30)


@pytest.fixture(scope="module")
def shop(settings: Settings) -> Iterator[Shop]:
    with ray_head(Path(sys.executable), settings.to_env()) as head:
        shop = Shop(replace(settings, serve_uri=head.uri), head)
        shop.deploy()
        with closing(shop.client):
            yield shop


@pytest.fixture(scope="module")
def stable(shop: Shop) -> str:
    """A model that serves all users."""
    sha256 = shop.add_model("stable")
    shop.move_pointer(Pointer("r1", sha256))
    shop.wait_for_response("/recommend", lambda response: response["model"] == sha256, {"items": ITEMS})
    return sha256


def test_without_a_model_there_is_a_response_and_without_the_token_a_401(shop: Shop) -> None:
    shop.view("u-first", "p-9")
    response = shop.wait_for_response("/recommend/u-first", lambda response: bool(response["items"]))
    assert response == {"items": [{"id": "p-9"}], "release": "", "model": "", "variant": "none", "fallback": "no model yet"}
    with closing(Client(shop.head.uri, "wrong")) as unauthorized:
        assert unauthorized("/recommend/u-first")[0] == 401
        assert unauthorized("/healthz")[0] == 200
    assert shop.client("/recommend/u-first?k=0")[0] == 422
    for path in ("/recommend/sso%2Facme%3A5512", "/similar/SKU%2012%2F34"):
        status, response = shop.client(path)
        assert (status, response["fallback"]) == (200, "no model yet"), path


def test_a_record_of_the_recommendations_topic_is_served(shop: Shop) -> None:
    record = {"user_id": "u-list", "items": ["a", "b"]}
    shop.producer.produce(names.RECOMMENDATIONS_TOPIC, json.dumps(record).encode(), b"u-list")
    shop.producer.flush(10)
    response = shop.wait_for_response("/recommend/u-list", lambda response: response["fallback"] == "recommendations stream")
    assert response["items"][0] == {"id": "a"}


def test_a_view_changes_the_list_within_a_second(shop: Shop, stable: str) -> None:
    seconds = []
    for number in range(200):
        user, item = f"u-live-{number}", f"p-{number % 60}"
        start = time.monotonic()
        shop.view(user, item)
        response = shop.wait_for_response(f"/recommend/{user}", lambda response: response["fallback"] == "")
        seconds.append(time.monotonic() - start)
        assert response["model"] == stable
        assert {"id": item} not in response["items"]
    seconds.sort()
    print(f"from a view to the new list: {1000 * seconds[100]:.0f} ms (median), {1000 * seconds[197]:.0f} ms (p99)")
    assert seconds[197] < 1


def test_all_processes_of_the_head_listen_on_loopback_only(shop: Shop, stable: str) -> None:
    import ray  # noqa: F401 - it brings a psutil of its own and puts it on the path
    import psutil  # isort: skip

    pids = set(shop.head.processes())
    listening = [connection for connection in psutil.net_connections("inet") if connection.status == psutil.CONN_LISTEN]
    addresses = {connection.laddr.ip for connection in listening if connection.pid in pids}
    assert {address.removeprefix("::ffff:") for address in addresses} == {"127.0.0.1"}


def test_a_second_deployment_keeps_the_replicas(shop: Shop, stable: str) -> None:
    before = shop.head.replicas()
    shop.deploy()
    assert shop.head.replicas() == before
    assert len(before) == 1


def test_a_moving_pointer_loses_no_request(shop: Shop, stable: str) -> None:
    candidate = shop.add_model("the candidate")
    with clients(4, shop.head.uri, read_secret(shop.settings.serve_token_file), ITEMS) as responses:
        for pointer in (Pointer("r2", stable, candidate, 50), Pointer("r2", candidate), Pointer("r1", stable)):
            shop.move_pointer(pointer)
            shop.wait_for_models(pointer)
            time.sleep(2)
    print(f"{len(responses.seconds)} responses, the longest after {responses.longest:.2f} s: {responses.sources}")
    assert set(responses.statuses) == {200}
    assert set(responses.sources) == {(STABLE, stable, ""), (STABLE, candidate, ""), (CANDIDATE, candidate, "")}
    assert responses.longest < 1


def test_a_candidate_with_a_flipped_byte_does_not_affect_the_stable_variant(shop: Shop, stable: str) -> None:
    damaged = shop.add_model("flipped", flip_a_byte=True)
    users = [f"u-{number}" for number in range(30)]
    before = {user: shop.client("/recommend", {"items": ITEMS, "user_id": user})[1] for user in users}
    shop.move_pointer(Pointer("r1", stable, damaged, 50))
    candidate_users = [user for user in users if variant_of(user, 50) == CANDIDATE]
    request = {"items": ITEMS, "user_id": candidate_users[0]}
    shop.wait_for_response("/recommend", lambda response: response["fallback"] == "candidate failed", request)
    for user in users:
        status, response = shop.client("/recommend", {"items": ITEMS, "user_id": user})
        fallback = "candidate failed" if user in candidate_users else before[user]["fallback"]
        assert (status, response) == (200, before[user] | {"fallback": fallback})
    variants = shop.client("/variants")[1]["variants"]
    assert variants[CANDIDATE]["errors"] == variants[CANDIDATE]["requests"] > 0
    assert (variants[CANDIDATE]["model"], variants[STABLE]["errors"]) == ("", 0)
    shop.move_pointer(Pointer("r1", stable))
    shop.wait_for_response("/variants", lambda response: response["variants"][CANDIDATE]["requests"] == 0)


def test_load_starts_a_second_replica_and_idle_time_stops_it(shop: Shop, stable: str) -> None:
    with clients(40, shop.head.uri, read_secret(shop.settings.serve_token_file), ITEMS) as responses:
        wait_until(lambda: len(shop.head.replicas()) == 2)
        time.sleep(2)
    assert set(responses.statuses) == {200}
    wait_until(lambda: len(shop.head.replicas()) == 1)
    assert shop.client("/recommend", {"items": ITEMS})[1]["model"] == stable


def test_a_killed_replica_is_restarted_with_its_user_history_and_its_model(shop: Shop, stable: str) -> None:
    before = shop.client("/recommend/u-live-7")[1]
    [(replica_id, pid)] = shop.head.replicas().items()
    os.kill(pid, signal.SIGKILL)
    start = time.monotonic()
    wait_until(lambda: replica_id not in shop.head.replicas())
    after = shop.wait_for_response("/recommend/u-live-7", lambda response: True)
    print(f"the next response came {time.monotonic() - start:.0f} s after the kill")
    assert after == before
    assert after["model"] == stable
