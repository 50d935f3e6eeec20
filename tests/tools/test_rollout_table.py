"""The rollout commands against real Nessie and S3: one row and one commit per step, compare-and-set, verified models, receipts."""

import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pyarrow as pa
import pytest

from clickstream_contracts.model_artefact import FORMAT, ArtefactError, IncompatibleArtefact, sha256_of_fields
from clickstream_contracts.receipt import Receipt
from clickstream_contracts.rollout_pointer import Pointer
from clickstream_contracts.settings import Settings
from tools.lake.catalog import open_catalog
from tools.lake.object_store import s3_client
from tools.rollout.change import take, verify_model
from tools.rollout.rollout_table import RolloutTable
from tools.rollout.steps import RolloutError, Step

pytestmark = pytest.mark.engine
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def settings(s3_and_nessie: Settings) -> Settings:
    return s3_and_nessie


def add_model(settings: Settings, name: str, artefact_format: int = FORMAT) -> str:
    """Write a model of one file and its row in ml.models. Returns its sha256."""
    content = name.encode()
    manifest = {"format": artefact_format, "files": {"ranker.txt": hashlib.sha256(content).hexdigest()}, "name": name}
    sha256 = sha256_of_fields(manifest)
    files = {"ranker.txt": content, "manifest.json": json.dumps({**manifest, "sha256": sha256}).encode()}
    for file, body in files.items():
        s3_client(settings).put_object(Bucket=settings.s3_bucket, Key=f"models/{name}/{file}", Body=body)
    table = open_catalog(settings).load_table("ml.models")
    schema = table.schema().as_arrow()
    row = {field.name: None if field.nullable else empty(field.type) for field in schema}
    uri = f"s3://{settings.s3_bucket}/models/{name}"
    row |= {"model_sha256": sha256, "uri": uri, "passed": True, "verdict": "{}", "data_tag": "features_1"}
    table.append(pa.Table.from_pylist([row], schema))
    return sha256


def empty(kind: Any) -> Any:
    if pa.types.is_integer(kind):
        return 0
    return 0 if pa.types.is_timestamp(kind) else ""


def run_command(settings: Settings, tmp_path: Path, *arguments: str, code: int = 0) -> Receipt:
    """Run the tool as Airflow does. Returns its receipt."""
    env = {**os.environ, **settings.to_env(), "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}"}
    command = [sys.executable, "-m", "tools.rollout", *arguments, "--receipt", f"file://{tmp_path}/receipts/run/step.json"]
    result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == code, result.stderr
    return Receipt.from_json((tmp_path / "receipts/run/step.json").read_text())


def messages(settings: Settings) -> list[str]:
    with urlopen(f"{settings.nessie_uri}/api/v2/trees/main/history?max-records=3") as response:
        return [entry["commitMeta"]["message"] for entry in json.load(response)["logEntries"]]


def no_check(sha256: str, pointer: Pointer) -> None:
    """Takes every model for verified."""


@pytest.fixture(scope="module")
def released(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The sha256 of the model of release_1, which was rolled out by the commands."""
    folder, sha256 = tmp_path_factory.mktemp("receipts"), add_model(settings, "first")
    start = ("start", "--run", "r1", "--release", "release_1", "--candidate", sha256, "--rule-version", "1")
    started = run_command(settings, folder, *start)
    assert (started.facts["share"], started.rows) == (1, {"serving.rollout": 1})
    assert messages(settings)[0] == "Rollout: start of release_1"
    assert run_command(settings, folder, *start).rows == {"serving.rollout": 0}, "a retry adds no row"
    run_command(settings, folder, "step", "--run", "r1", "--share", "50", "--reason", 'it\'s > "fine" & good')
    finished = run_command(settings, folder, "finish", "--run", "r1")
    assert (finished.facts["stable"], finished.facts["message"]) == (sha256, "Rollout: finish of release_1")
    return sha256


def test_each_step_is_one_numbered_row_and_the_reason_is_plain_text(settings: Settings, released: str) -> None:
    rows = RolloutTable(settings).read().rows[:4]
    assert [(row["number"], row["action"], row["share"]) for row in rows if row["run"] == "r1"][-1] == (rows[-1]["number"], "finish", 0)
    assert 'it\'s > "fine" & good' in [row["reason"] for row in rows]


def test_a_rollback_between_reading_and_committing_of_a_step_is_not_undone(settings: Settings, released: str) -> None:
    table, sha256 = RolloutTable(settings), add_model(settings, "second")
    take(Step("start", "r2", "release_2", sha256), table, no_check)
    interrupted: list[Receipt] = []

    def roll_back_meanwhile(sha: str, pointer: Pointer) -> None:
        if not interrupted:
            interrupted.append(take(Step("rollback", "operator", "release_1"), RolloutTable(settings), no_check))

    with pytest.raises(RolloutError, match="a rollback to release_1 was made while this step"):
        take(Step("step", "r2", share=50), table, roll_back_meanwhile)
    row = table.read().rows[-1]
    assert (row["release"], row["stable"], row["candidate"], row["share"], row["action"]) == ("release_1", released, "", 0, "rollback")


def test_two_writers_at_once_lose_no_step_and_share_no_number(settings: Settings, released: str) -> None:
    before = len(RolloutTable(settings).read().rows)
    rollbacks = [Step("rollback", f"writer {number}", "release_1") for number in range(3)]
    with ThreadPoolExecutor(3) as pool:
        receipts = list(pool.map(lambda step: take(step, RolloutTable(settings), no_check), rollbacks))
    rows = RolloutTable(settings).read().rows
    assert sum(receipt.rows["serving.rollout"] for receipt in receipts) == len(rows) - before == 3
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))


def test_a_damaged_model_is_not_served_and_the_receipt_says_which_file(settings: Settings, released: str, tmp_path: Path) -> None:
    sha256 = add_model(settings, "damaged")
    s3_client(settings).put_object(Bucket=settings.s3_bucket, Key="models/damaged/ranker.txt", Body=b"other")
    before = RolloutTable(settings).read().id
    receipt = run_command(settings, tmp_path, "start", "--run", "r9", "--release", "r9", "--candidate", sha256, code=1)
    assert "models/damaged/ranker.txt: is not what was written" in receipt.error
    s3_client(settings).delete_object(Bucket=settings.s3_bucket, Key="models/damaged/ranker.txt")
    receipt = run_command(settings, tmp_path, "start", "--run", "r9", "--release", "r9", "--candidate", sha256, code=1)
    assert "models/damaged: cannot be read" in receipt.error
    assert RolloutTable(settings).read().id == before


@pytest.mark.parametrize(("candidate", "message"), [("0" * 64, "has 0 rows of model 000000000000"), ("latest", "is not the sha256")])
def test_an_unknown_model_is_refused(settings: Settings, released: str, tmp_path: Path, candidate: str, message: str) -> None:
    receipt = run_command(settings, tmp_path, "start", "--run", "r9", "--release", "r9", "--candidate", candidate, code=1)
    assert message in receipt.error


def test_a_model_of_another_format_stays_but_is_not_brought_into_service(settings: Settings, released: str) -> None:
    """After an upgrade, the step that replaces an old stable model must be possible."""
    table, sha256 = RolloutTable(settings), add_model(settings, "old", artefact_format=FORMAT - 1)
    verify_model(settings, table, sha256, Pointer("r1", stable=sha256))
    with pytest.raises(IncompatibleArtefact, match=f"this code reads {FORMAT}"):
        verify_model(settings, table, sha256, Pointer("r1", stable=released, candidate=sha256))
    s3_client(settings).put_object(Bucket=settings.s3_bucket, Key="models/old/manifest.json", Body=b"{}")
    with pytest.raises(ArtefactError, match="is not a manifest"):
        verify_model(settings, table, sha256, Pointer("r1", stable=sha256))
