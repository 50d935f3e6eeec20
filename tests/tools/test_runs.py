"""Which run of a DAG a person at the terminal watches."""

import pytest

from clickstream_contracts import names
from tests.shop_day import Shop
from tools.demo.dag_runs import run_scheduled

pytestmark = pytest.mark.engine


def test_a_run_that_the_schedule_began_is_not_made_twice(shop: Shop) -> None:
    """The stack of the tests began with it: its streams were deployed by the run that was due."""
    *later, first = shop.runs(names.STREAMS)
    assert first["run_type"] == "scheduled"
    assert all(run["queued_at"] > first["end_date"] for run in later)


def test_a_run_under_way_will_do(shop: Shop) -> None:
    shop.airflow.trigger(names.STREAMS)
    by_hand = [run["dag_run_id"] for run in shop.runs(names.STREAMS) if run["run_type"] == "manual"]
    run_scheduled(shop.airflow, names.STREAMS, 600)
    assert [run["dag_run_id"] for run in shop.runs(names.STREAMS) if run["run_type"] == "manual"] == by_hand
