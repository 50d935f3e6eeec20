"""A rollback and a step of a rollout, interleaved at random: whatever commits first, the rollback is never undone.

The table is a real Iceberg table on disk. Its catalog checks the requirements of each commit, as a REST catalog does.
"""

import random
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.schema import Schema
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.metadata import TableMetadata, new_table_metadata
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
from pyiceberg.table.update import update_table_metadata

from clickstream_contracts import render, schema
from clickstream_contracts.rollout_pointer import TABLE, Pointer, Row, in_order
from clickstream_contracts.settings import Settings
from tools.rollout.change import take
from tools.rollout.rollout_table import RolloutTable, Snapshot
from tools.rollout.steps import RolloutError, Step

INTERLEAVINGS = 200
OLD, NEW = "a" * 64, "b" * 64
ROWS: dict[int | None, list[Row]] = {}
MODEL = {"passed": True, "verdict": "{}", "data_tag": "features_1"}


class Turns:
    """Lets one of several threads go on at a time, which a seed decides."""

    def __init__(self, seed: int, actors: int) -> None:
        self._random, self._waiting, self._left = random.Random(seed), dict[int, threading.Event](), actors
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Wait until it is the turn of this thread."""
        turn = threading.Event()
        with self._lock:
            self._waiting[threading.get_ident()] = turn
            self._next()
        assert turn.wait(10)

    def leave(self) -> None:
        """This thread takes no more turns."""
        with self._lock:
            self._left -= 1
            self._next()

    def _next(self) -> None:
        if self._waiting and len(self._waiting) == self._left:
            self._waiting.pop(self._random.choice(sorted(self._waiting))).set()


class DiskCatalog:
    """A catalog of one table. Other writers may act before each of its calls."""

    def __init__(self, metadata: TableMetadata) -> None:
        self.metadata = metadata
        self.before_call: Callable[[], None] = lambda: None

    def load_table(self, name: str) -> Table:
        self.before_call()
        return Table((name,), self.metadata, f"{self.metadata.location}/now.json", PyArrowFileIO(), self)  # type: ignore[arg-type]

    def supports_server_side_planning(self) -> bool:
        return False

    def _delete_old_metadata(self, *arguments: Any) -> None:
        """No metadata file is written."""

    def commit_table(self, table: Table, requirements: Any, updates: Any) -> CommitTableResponse:
        self.before_call()
        for requirement in requirements:
            requirement.validate(self.metadata)
        self.metadata = update_table_metadata(self.metadata, updates)
        return CommitTableResponse.model_validate({"metadata": self.metadata, "metadata-location": f"{self.metadata.location}/now.json"})


class DiskRolloutTable(RolloutTable):
    """`serving.rollout` in a DiskCatalog, and one model."""

    def __init__(self, catalog: DiskCatalog) -> None:
        super().__init__(Settings())
        self.catalog = catalog

    def read(self) -> Snapshot:
        """The rows of a snapshot never change, so no snapshot is scanned twice."""
        table = self.catalog.load_table(TABLE)
        snapshot = table.current_snapshot()
        key = snapshot.snapshot_id if snapshot else None
        if key not in ROWS:
            ROWS[key] = in_order(table.scan().to_arrow().to_pylist())
        return Snapshot(list(ROWS[key]), key)

    def append(self, row: Mapping[str, Any], read: Snapshot, message: str, author: str) -> None:
        super().append(row, read, message, author)
        # No other thread has its turn between the commit and this line.
        ROWS[self.catalog.metadata.current_snapshot_id] = [*read.rows, row]

    def _catalog(self, **headers: str) -> Any:
        return self.catalog

    def model(self, sha256: str) -> dict[str, Any]:
        return MODEL


def no_check(sha256: str, pointer: Pointer) -> None:
    """Takes every model for verified."""


@pytest.fixture(scope="module")
def rolling_out(tmp_path_factory: pytest.TempPathFactory) -> TableMetadata:
    """A shop that serves r1 while r2 is at 10 %."""
    table_schema = Schema.model_validate(render.iceberg_schema(schema.tables()[TABLE]))
    location = str(tmp_path_factory.mktemp("lake"))
    catalog = DiskCatalog(new_table_metadata(table_schema, UNPARTITIONED_PARTITION_SPEC, UNSORTED_SORT_ORDER, location))
    for step in (Step("start", "first", "r1", OLD), Step("finish", "first"), Step("start", "run", "r2", NEW)):
        take(step, DiskRolloutTable(catalog), no_check)
    return catalog.metadata


def play(metadata: TableMetadata, seed: int, steps: list[Step]) -> tuple[Snapshot, dict[str, str]]:
    """Take the steps at the same time. Returns the rows, and the message of each step that failed."""
    catalog, turns, failures = DiskCatalog(metadata), Turns(seed, len(steps)), dict[str, str]()
    catalog.before_call = turns.wait

    def actor(step: Step) -> Callable[[], None]:
        def act() -> None:
            try:
                take(step, DiskRolloutTable(catalog), no_check)
            except RolloutError as error:
                failures[step.action] = str(error)
            finally:
                turns.leave()

        return act

    threads = [threading.Thread(target=actor(step)) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    catalog.before_call = lambda: None
    if seed % 10 == 0:
        ROWS.pop(catalog.metadata.current_snapshot_id)
    return DiskRolloutTable(catalog).read(), failures


def test_no_interleaving_undoes_a_rollback(rolling_out: TableMetadata) -> None:
    rollback, outcomes = Step("rollback", "operator", "r1"), set()
    for seed in range(INTERLEAVINGS):
        widen = Step("finish", "run") if seed % 4 == 0 else Step("step", "run", share=50)
        read, failures = play(rolling_out, seed, [widen, rollback])
        rows = read.rows
        assert (rows[-1]["release"], rows[-1]["stable"], rows[-1]["candidate"], rows[-1]["action"]) == ("r1", OLD, "", "rollback"), seed
        assert [row["number"] for row in rows] == list(range(1, len(rows) + 1)), seed
        assert "rollback" not in failures, seed
        message = failures.get(widen.action, "")
        assert not message or "was made while this step" in message or "is not being rolled out" in message, message
        outcomes.add("committed first" if not message else "in flight" if "while this step" in message else "came late")
    assert outcomes == {"committed first", "in flight", "came late"}


def test_a_teardown_that_is_in_flight_during_a_rollback_does_nothing(rolling_out: TableMetadata) -> None:
    for seed in range(10):
        read, failures = play(rolling_out, seed, [Step("back", "run"), Step("rollback", "operator", "r1")])
        assert (read.rows[-1]["release"], read.rows[-1]["candidate"], failures) == ("r1", "", {})


def test_the_catalog_of_this_test_refuses_a_commit_on_another_snapshot(rolling_out: TableMetadata) -> None:
    catalog = DiskCatalog(rolling_out)
    first, second = catalog.load_table(TABLE), catalog.load_table(TABLE)
    second.metadata.properties["commit.retry.num-retries"] = "0"
    rows = pa.Table.from_pylist([dict(DiskRolloutTable(catalog).read().rows[-1])], first.schema().as_arrow())
    first.append(rows)
    with pytest.raises(CommitFailedException):
        second.append(rows)
