"""Which run of a scheduled DAG `run_scheduled` follows."""

import pytest

from clickstream_contracts import names
from tests.shop_day import Shop
from tools.demo.dag_runs import run_scheduled

pytestmark = pytest.mark.engine


def test_a_due_scheduled_run_is_followed_instead_of_triggering_another(shop: Shop) -> None:
    """The shared stack was started this way: the scheduled run deployed its streams."""
    *later, first = shop.runs(names.STREAMS)
    assert first["run_type"] == "scheduled"
    assert all(run["queued_at"] > first["end_date"] for run in later)


def test_an_active_run_is_followed_instead_of_triggering_another(shop: Shop) -> None:
    shop.airflow.trigger(names.STREAMS)
    manual = [run["dag_run_id"] for run in shop.runs(names.STREAMS) if run["run_type"] == "manual"]
    run_scheduled(shop.airflow, names.STREAMS, 600)
    assert [run["dag_run_id"] for run in shop.runs(names.STREAMS) if run["run_type"] == "manual"] == manual
