"""`./clickstream fraud backtest DAYS`: days of the lake, on a real Nessie and object store."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from clickstream_contracts.settings import Settings
from tests.tools.fraud_backtest import DAY, Row, backtest, own_folder, run
from tests.tools.local_stack import running_stack
from tools.common.command import current_settings
from tools.fraud.past_events import Days, lake_events
from tools.lake.catalog import open_catalog

__all__ = ["own_folder"]
CLICKS = "raw.clicks"


def click(number: int, user: str, moment: datetime, event_id: str | None = None) -> Row:
    values = {"event_type": "view_item", "event_time": moment, "user_id": user, "session_id": "s", "schema_version": 1, "price": None}
    return values | {
        "event_id": event_id or f"e{number}", "kafka_partition": 0, "kafka_offset": number, "ingested_at": DAY + timedelta(days=200),
    }  # fmt: skip


@pytest.fixture(scope="module")
def stack_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a running stack of S3 and Nessie."""
    folder = tmp_path_factory.mktemp("stack")
    with running_stack(folder, "s3,nessie"):
        yield folder


@pytest.fixture
def settings(stack_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The settings of the running stack, whose table of clicks is empty."""
    monkeypatch.setenv("CLICKSTREAM_STACK_DIR", str(stack_folder))
    settings = current_settings()
    yield settings
    open_catalog(settings).load_table(CLICKS).delete()


def append(settings: Settings, rows: list[Row]) -> None:
    """Append clicks to the lake."""
    table = open_catalog(settings).load_table(CLICKS)
    table.append(pa.Table.from_pylist(rows, schema=table.schema().as_arrow()))


@pytest.mark.engine
def test_days_of_the_lake_are_judged_with_each_event_once_and_the_hours_before_them(settings: Settings) -> None:
    def burst(user: str, start: datetime, count: int) -> Iterator[tuple[str, datetime]]:
        return ((user, start + timedelta(seconds=n)) for n in range(count))

    midnight, end = DAY, DAY + timedelta(days=3)
    moments = [
        *burst("across-midnight", midnight - timedelta(seconds=4), 6),
        *burst("day-before", midnight - timedelta(minutes=10), 7),
        *burst("at-the-end", end - timedelta(seconds=6), 6),
        *burst("day-after", end, 7),
    ]
    clicks = [click(number, user, moment) for number, (user, moment) in enumerate(moments)]
    # Three events that were sent twice are three events.
    again = [click(100 + n, "sent-twice", DAY + timedelta(hours=1, seconds=n % 3), event_id=f"again{n % 3}") for n in range(6)]
    append(settings, clicks[:10])
    append(settings, [*clicks[10:], *again])
    result = backtest("2026-01-05..2026-01-07")
    flagged = {entity["entity"]: entity for entity in result["flagged"]}
    assert flagged.keys() == {"across-midnight", "at-the-end"}
    assert flagged["across-midnight"]["first"] == "2026-01-05T00:00:01.000Z"
    assert flagged["at-the-end"]["last"] == "2026-01-07T23:59:59.000Z"
    assert (result["events"], result["repeated_events"]) == (2 + 6 + 3, 3)
    assert result["days_without_events"] == ["2026-01-06"]


@pytest.mark.engine
def test_the_lake_is_read_from_before_the_first_day_to_the_end_of_the_last_one(settings: Settings) -> None:
    days = Days(DAY.date(), DAY.date())
    start = DAY - timedelta(milliseconds=days.look_back_ms)
    assert days.look_back_ms == 1000 * (2 * 3600 + 30 * 60)
    tick = timedelta(milliseconds=1)
    edges = {"before": start - tick, "first": start, "last": DAY + timedelta(days=1) - tick, "after": DAY + timedelta(days=1)}
    append(settings, [click(number, user, moment) for number, (user, moment) in enumerate(edges.items())])
    events = {event["user_id"]: event for event in lake_events(settings, days)}
    assert events.keys() == {"first", "last"}
    assert events["last"] == {
        "event_id": "e2", "event_type": "view_item", "event_time": 1_767_657_599_999, "user_id": "last", "session_id": "s",
        "schema_version": 1,
    }  # fmt: skip


@pytest.mark.engine
def test_days_without_any_event_are_a_clear_error(settings: Settings) -> None:
    append(settings, [click(1, "u", DAY)])
    done = run("2024-02-29")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: 2024-02-29: the lake has no event of these days in raw.clicks")
