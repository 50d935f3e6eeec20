"""Which tags and which states of streams are deleted, without engines."""

from datetime import UTC, date, datetime, timedelta

import pytest
from typer.testing import CliRunner

from clickstream_contracts import names
from tools.lake.object_store import StoredObject
from tools.maintenance import __main__ as maintenance
from tools.maintenance import tags
from tools.maintenance.stream_state import unused
from tools.maintenance.tags import Tag, dropped_by_policy

APP = names.CLICKS_TO_LAKE_JOB
NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)
OLD, YOUNG = NOW - timedelta(days=10), NOW - timedelta(hours=1)
CUTOFF = NOW - timedelta(days=7)


def tag(name: str, hour: int = 0) -> Tag:
    return Tag(name, f"commit of {name}", datetime(2026, 3, 1, hour, tzinfo=UTC))


def nightly_tags(days: int) -> list[Tag]:
    return [tag(f"nightly_{date(2026, 3, 1) - timedelta(days=n)}_{n:08}") for n in range(days)]


def test_the_newest_tag_of_each_day_week_and_month_is_kept() -> None:
    kept = {"daily": 2, "weekly": 2, "monthly": 2}
    dropped = {each.name for each in dropped_by_policy(nightly_tags(60), set(), {"nightly": kept})}
    # 1 March is a Sunday, so it ends a week, as 22 February does.
    days = sorted(each.name.split("_")[1] for each in nightly_tags(60) if each.name not in dropped)
    assert days == ["2026-02-22", "2026-02-28", "2026-03-01"]


def test_of_a_day_the_tag_of_the_newest_commit_is_kept_whatever_its_name() -> None:
    several = [tag("nightly_2026-03-01_ffffffff", 2), tag("nightly_2026-03-01_00000000", 9), tag("nightly_2026-03-01_11111111", 1)]
    dropped = dropped_by_policy(several, set(), {"nightly": {"daily": 1, "weekly": 1}})
    assert [each.name for each in dropped] == ["nightly_2026-03-01_11111111", "nightly_2026-03-01_ffffffff"]


def test_named_tags_and_tags_of_other_kinds_are_kept() -> None:
    existing = [
        *nightly_tags(3),
        tag("before_the_migration"),
        tag("release_2026-01-01_1a2b3c4d_2"),
        tag("nightly_of_anna"),
        tag("nightly_2026-02-30_x"),
    ]
    dropped = dropped_by_policy(existing, {existing[1].name}, {"nightly": {"daily": 1, "weekly": 1}})
    assert dropped == [existing[2]]


def test_the_policy_has_all_kinds_of_tags_that_runs_make() -> None:
    kinds = tags.policy()["kinds"]
    assert kinds.keys() == {
        tag(names.release_tag(names.NIGHTLY, "2026-01-02", "0" * 64)).kind_and_day[0],
        tag(names.release_tag(names.FEATURES, "2026-01-02", "0" * 64)).kind_and_day[0],
        tag(names.release_name("2026-01-02", "0" * 64)).kind_and_day[0],
    }


def checkpoint(job: str, number: int, at: datetime, *extra: str) -> list[StoredObject]:
    folder = f"{names.checkpoint_prefix(APP)}/{job}"
    return [StoredObject(f"{folder}/{name}", 1, at) for name in (f"chk-{number}/_metadata", f"chk-{number}/state", *extra)]


def savepoint(name: str, at: datetime, prefix: str = names.savepoint_prefix(APP)) -> list[StoredObject]:
    return [StoredObject(f"{prefix}/{name}/_metadata", 1, at)]


def folders(files: list[StoredObject], remembered: str = "") -> list[str]:
    return [folder.removeprefix(f"flink/{APP}/") for folder in unused(files, APP, CUTOFF, remembered)]


def test_old_states_are_deleted_and_the_newest_one_is_kept_however_old() -> None:
    states = [*checkpoint("a", 5, OLD - timedelta(days=2)), *savepoint("savepoint-1", OLD - timedelta(days=1)), *checkpoint("b", 9, OLD)]
    assert folders(states) == ["checkpoints/a", "savepoints/savepoint-1"]
    # Times can be rounded: the higher checkpoint number decides.
    assert folders([*checkpoint("a", 10, OLD), *checkpoint("b", 9, OLD)]) == ["checkpoints/b"]


def test_a_job_that_writes_checkpoints_keeps_its_old_shared_files() -> None:
    shared = StoredObject(f"{names.checkpoint_prefix(APP)}/running/shared/x", 1, OLD)
    assert folders([shared, *checkpoint("running", 9, YOUNG), *savepoint("s", YOUNG)]) == []


def test_the_savepoint_that_the_last_good_definition_remembers_is_kept() -> None:
    upgrade = names.upgrade_savepoint_prefix(APP)
    states = [*savepoint("one", OLD, upgrade), *savepoint("two", OLD, upgrade), *checkpoint("running", 9, YOUNG)]
    assert folders(states, f"{upgrade}/one") == ["savepoints/upgrade/two"]


def test_what_is_left_of_an_interrupted_deletion_is_deleted_and_nothing_else_below_the_app() -> None:
    rest = StoredObject(f"{names.checkpoint_prefix(APP)}/a/chk-1/state", 1, OLD)
    other = [StoredObject(names.last_good_key(APP), 1, OLD), StoredObject(names.saved_statements_key(APP, "d" * 64), 1, OLD)]
    assert folders([rest, *other, *checkpoint("b", 2, YOUNG)]) == ["checkpoints/a"]


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["collect", "--apply", "--min-age-hours", "3"], "use at least 24"),
        (["compact", "--table", "curated.events"], "no stream writes it"),
        (["tags", "--receipt", "here.json"], "no s3:// or file:/// address"),
    ],
)
def test_an_unusable_option_is_refused(argv: list[str], text: str, capfd: pytest.CaptureFixture[str]) -> None:
    done = CliRunner().invoke(maintenance.app, argv)
    assert done.exit_code == 2
    assert text in " ".join(done.output.replace("│", " ").split())
