"""Names have only characters that Nessie, S3 and Airflow accept, and are the same for the same run."""

import pytest

from clickstream_contracts import names


def test_a_branch_name_has_no_slash_and_no_colon() -> None:
    assert names.branch("clickstream_nightly", "manual__2026-01-02T03:04:05.6+00:00") == (
        "etl_clickstream_nightly_manual_2026-01-02T03_04_05.6_00_00"
    )


def test_the_same_commit_always_gets_the_same_tag() -> None:
    assert names.release_tag("clickstream_nightly", "2026-01-02", "1a2b3c4d5e") == "nightly_2026-01-02_1a2b3c4d"


def test_each_try_has_its_own_receipt() -> None:
    assert names.receipt_key("d", "r", "curate", 1) != names.receipt_key("d", "r", "curate", 2)


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "2026/01/02", ""])
def test_a_text_that_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write it as YYYY-MM-DD"):
        names.checked_day(text)


def test_a_run_is_repeated_at_most_twice() -> None:
    first = names.rerun_id("manual__2026-01-02", "0123456789ab")
    second = names.rerun_id(first, "abcdef012345")
    assert (first, second) == ("rerun1_01234567_manual__2026-01-02", "rerun2_abcdef01_manual__2026-01-02")
    assert names.rerun_id(second, "0123456789ab") == ""
    assert names.rerun_id("manual__2026-01-02", "ffffffff") != first, "a cleared run that meets a second conflict is repeated again"


def test_the_receipts_of_a_branch_are_found_by_its_name() -> None:
    branch = names.branch(names.NIGHTLY, "manual__2026-01-02")
    key = names.receipt_key(names.NIGHTLY, "manual__2026-01-02", "curate", 1)
    assert key.startswith(names.receipt_prefix(branch))
    assert names.receipt_prefix("my_branch") == ""


def test_an_unknown_session_is_the_same_for_the_same_event_and_another_for_another() -> None:
    assert names.unknown_session("a") == names.unknown_session("a") != names.unknown_session("b")
    assert names.unknown_session("a").startswith(names.UNKNOWN_SESSION)
    assert len(names.unknown_session("a" * 128)) <= 128
