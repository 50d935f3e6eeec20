"""Collection of unreferenced files of a real lake: every ref and every recent commit stays readable, whatever runs meanwhile."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clickstream_contracts import names
from clickstream_contracts.receipt import Receipt
from clickstream_contracts.settings import Settings
from tests.tools.backup_lake import append_users, tag, users
from tests.tools.raw_tables import ROOT, append, run
from tools.backup import lake_state
from tools.lake import catalog, nessie
from tools.lake.object_store import list_objects, s3_client
from tools.maintenance import tags as lake_tags
from tools.maintenance import unreferenced_files

pytestmark = pytest.mark.engine
NO_AGE = timedelta(0)
KILLED_AT_THE_THIRD_FILE = """
import os, signal
from datetime import UTC, datetime, timedelta
from clickstream_contracts.settings import Settings
from tools.lake import object_store
from tools.maintenance import unreferenced_files

class Client:
    def __init__(self, client):
        self.client, self.requests = client, 0

    def delete_objects(self, **arguments):
        self.requests += 1
        if self.requests == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.client.delete_objects(**arguments)

settings = Settings.from_env()
unreferenced = unreferenced_files.find(settings, datetime.now(UTC) + timedelta(seconds=2), timedelta(0))
client = Client(object_store.s3_client(settings))
object_store.s3_client, object_store.DELETED_AT_ONCE = lambda settings: client, 1
unreferenced_files.delete(settings, unreferenced)
"""


@pytest.fixture
def lake(s3_and_nessie: Settings) -> Settings:
    """A lake whose landing.users is empty, and that has no tag."""
    for existing in nessie.references(s3_and_nessie, "TAG"):
        nessie.drop(s3_and_nessie, "TAG", existing["name"], existing["hash"])
    delete_users(s3_and_nessie)
    return s3_and_nessie


def delete_users(settings: Settings) -> None:
    table = catalog.open_catalog(settings).load_table("landing.users")
    if len(table.scan().to_arrow()):
        table.delete()


def keys(settings: Settings, prefix: str = "landing/") -> set[str]:
    return {item.key for item in list_objects(settings, prefix)}


def collect(settings: Settings, min_age: timedelta = NO_AGE, now: datetime | None = None) -> unreferenced_files.Unreferenced:
    # S3 rounds times to seconds.
    unreferenced = unreferenced_files.find(settings, now or datetime.now(UTC) + timedelta(seconds=2), min_age)
    unreferenced_files.delete(settings, unreferenced)
    return unreferenced


def test_tags_branches_and_main_stay_readable_and_dropped_commits_do_not(lake: Settings) -> None:
    append_users(lake, "ann")
    tag(lake, "kept")
    delete_users(lake)
    append_users(lake, "bob")
    on_branch = nessie.commit_hash(lake)
    source = {"type": "BRANCH", "name": "main", "hash": on_branch}
    nessie.request(lake, "POST", "trees", params={"name": "etl_open", "type": "BRANCH"}, json=source)
    append_users(lake, "cid")
    forgotten = nessie.commit_hash(lake)
    delete_users(lake)
    append_users(lake, "dan")
    before = lake_state.read(lake, lake_state.current_refs(lake))
    collected = collect(lake)
    assert collected.count > 0
    assert collect(lake).count == 0
    assert lake_state.read(lake, lake_state.current_refs(lake)) == before
    assert keys(lake) >= {key for key in before.files if key.startswith("landing/")}
    assert (users(lake, "kept"), users(lake, "etl_open"), users(lake, "main")) == (["ann"], ["bob"], ["dan"])
    with pytest.raises(Exception, match=r"(?i)not.*(found|exist)|NoSuchKey|PATH_NOT_FOUND|404"):
        users(lake, f"main@{forgotten}")
    nessie.drop_branch(lake, "etl_open")


def test_commits_of_main_since_the_minimum_age_and_the_one_before_them_stay_readable(lake: Settings) -> None:
    append_users(lake, "ann")
    delete_users(lake)
    append_users(lake, "bob")
    pinned = nessie.commit_hash(lake)
    time.sleep(3)
    cutoff = datetime.now(UTC)
    time.sleep(2)
    delete_users(lake)
    append_users(lake, "cid")
    recent = nessie.commit_hash(lake)
    delete_users(lake)
    now = datetime.now(UTC)
    assert collect(lake, now - cutoff, now).count > 0
    assert users(lake, f"main@{pinned}") == ["bob"]
    assert users(lake, f"main@{recent}") == ["cid"]


def test_a_dropped_tag_stays_readable_at_its_commit_until_the_minimum_age(lake: Settings) -> None:
    append_users(lake, "ann")
    tag(lake, "nightly_2026-01-02_1a2b3c4d")
    commit = nessie.commit_hash(lake)
    delete_users(lake)
    before_the_drop = datetime.now(UTC)
    [dropped] = lake_tags.current(lake)
    lake_tags.drop(lake, [dropped])
    assert nessie.references(lake, "TAG") == []
    now = datetime.now(UTC) + timedelta(seconds=2)
    collect(lake, now - before_the_drop, now)
    assert users(lake, f"main@{commit}") == ["ann"]
    assert collect(lake).count > 0


def test_a_commit_that_a_model_was_trained_on_stays_readable(lake: Settings) -> None:
    append_users(lake, "ann")
    commit = nessie.commit_hash(lake)
    delete_users(lake)
    model = {"model_sha256": "m", "uri": "s3://lake/models/m", "created_at": datetime.now(UTC), "data_tag": f"main@{commit}"}
    rest = {"data_commit": commit, "seed": 7, "parameters": "{}", "metrics": "{}", "verdict": "{}", "passed": False, "run": "r"}
    append(catalog.open_catalog(lake).load_table("ml.models"), [model | rest | {"trials": "[]", "code_versions": "{}"}])
    collect(lake)
    assert users(lake, f"main@{commit}") == ["ann"]
    assert lake_tags.named_tags(lake) == {"main"}
    catalog.open_catalog(lake).load_table("ml.models").delete()


def test_what_a_stream_wrote_since_its_last_commit_is_kept_however_old(lake: Settings) -> None:
    """A stream that was down for a week commits such a file when it is restored."""
    clicks = catalog.open_catalog(lake).load_table("raw.clicks")
    append(clicks, [])
    folder = clicks.location().removeprefix(f"s3://{lake.s3_bucket}/")
    client = s3_client(lake)
    old = f"{folder}/data/before.parquet"
    client.put_object(Bucket=lake.s3_bucket, Key=old, Body=b"x")
    time.sleep(3)
    append(clicks.refresh(), [])
    time.sleep(2)
    pending = f"{folder}/data/pending.parquet"
    client.put_object(Bucket=lake.s3_bucket, Key=pending, Body=b"x")
    foreign = "receipts/clickstream_nightly/r/data/curate_1.json"
    client.put_object(Bucket=lake.s3_bucket, Key=foreign, Body=b"{}")
    unreferenced = unreferenced_files.find(lake, datetime.now(UTC) + timedelta(days=7), NO_AGE)
    unreferenced_keys = {key for sizes in unreferenced.files.values() for key in sizes}
    assert old in unreferenced_keys
    assert pending not in unreferenced_keys
    assert foreign not in unreferenced_keys


def test_a_damaged_lake_is_left_alone(lake: Settings) -> None:
    append_users(lake, "ann")
    append_users(lake, "bob")
    [manifest_list] = [each.manifest_list for each in catalog.open_catalog(lake).load_table("landing.users").snapshots()]
    key = manifest_list.removeprefix(f"s3://{lake.s3_bucket}/")
    body = s3_client(lake).get_object(Bucket=lake.s3_bucket, Key=key)["Body"].read()
    s3_client(lake).delete_object(Bucket=lake.s3_bucket, Key=key)
    before = keys(lake)
    with pytest.raises(FileNotFoundError):
        collect(lake)
    assert keys(lake) == before
    s3_client(lake).put_object(Bucket=lake.s3_bucket, Key=key, Body=body)
    assert users(lake, "main") == ["ann", "bob"]


def test_nothing_is_collected_if_the_files_of_main_are_not_found_in_the_bucket(lake: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    append_users(lake, "ann")
    monkeypatch.setattr(unreferenced_files, "object_key", lambda settings, address: f"elsewhere/{address}")
    with pytest.raises(FileNotFoundError, match=r"main needs elsewhere/.* which is not in the bucket lake"):
        collect(lake)


def test_a_killed_collection_leaves_every_ref_readable_and_the_next_one_finishes(lake: Settings) -> None:
    append_users(lake, "ann")
    tag(lake, "kept")
    for n in range(5):
        append_users(lake, f"user {n}")
    delete_users(lake)
    append_users(lake, "dan")
    before = lake_state.read(lake, lake_state.current_refs(lake))
    env = {**os.environ, **lake.to_env(), "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}"}
    unreferenced = unreferenced_files.find(lake, datetime.now(UTC) + timedelta(seconds=2), NO_AGE)
    done = subprocess.run([sys.executable, "-c", KILLED_AT_THE_THIRD_FILE], cwd=ROOT, env=env, check=False)
    assert done.returncode == -signal.SIGKILL
    assert lake_state.read(lake, lake_state.current_refs(lake)) == before
    assert collect(lake).count == unreferenced.count - 2
    assert lake_state.read(lake, lake_state.current_refs(lake)) == before
    assert users(lake, "kept") == ["ann"]


def test_the_commands_print_first_and_write_receipts(lake: Settings, tmp_path: Path) -> None:
    tag(lake, "nightly_2026-01-02_1a2b3c4d")
    append_users(lake, "ann")
    before = keys(lake)
    output = run(lake, "maintenance", "collect", "--min-age-hours", "0").stdout
    assert "would have deleted" in output
    assert keys(lake) == before
    for command in ("compact", "tags", "collect", "stream-state"):
        receipt = tmp_path / "run" / f"{command}.json"
        run(lake, "maintenance", command, "--apply", "--receipt", receipt.as_uri())
        written = Receipt.from_json(receipt.read_text())
        assert written.app == f"maintenance_{command.replace('-', '_')}"
        assert written.facts["applied"] is True
    # The newest tag of its day.
    assert json.loads((tmp_path / "run" / "tags.json").read_text())["facts"]["dropped"] == {}
    assert names.DROPPED_TAGS_KEY not in {each["name"] for each in nessie.references(lake, "TAG")}
