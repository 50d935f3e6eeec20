"""Names hold no character that Nessie, S3 or Airflow would trip over, and stay the same for the same run."""

import pytest

from clickstream_contracts import names


def test_a_branch_name_holds_no_slash_and_no_colon() -> None:
    assert names.branch("clickstream_nightly", "manual__2026-01-02T03:04:05.6+00:00") == (
        "etl_clickstream_nightly_manual_2026-01-02T03_04_05.6_00_00"
    )


def test_the_same_commit_always_gets_the_same_tag() -> None:
    assert names.release_tag("clickstream_nightly", "2026-01-02", "1a2b3c4d5e") == "nightly_2026-01-02_1a2b3c4d"


def test_each_try_has_a_receipt_of_its_own() -> None:
    assert names.receipt_key("d", "r", "curate", 1) != names.receipt_key("d", "r", "curate", 2)


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "2026/01/02", ""])
def test_a_wrong_day_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="write it as YYYY-MM-DD"):
        names.checked_day(text)
