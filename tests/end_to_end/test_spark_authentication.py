"""Spark runs jobs only for clients that know its secrets."""

import subprocess

import httpx
import pytest

from tests.shop_day import ROOT, Shop


def test_the_master_has_no_rest_submission_server(shop: Shop) -> None:
    page = httpx.get(f"http://127.0.0.1:{shop.settings.spark_page_port}", timeout=30).text
    assert "Spark Master at" in page
    assert "REST URL" not in page


@pytest.mark.parametrize("token", ["", ";token=guessed"])
def test_spark_connect_rejects_clients_without_its_token(shop: Shop, token: str) -> None:
    program = "from pyspark.sql import SparkSession; print(SparkSession.builder.getOrCreate().range(7).count())"
    env = shop.env | {"SPARK_REMOTE": f"{shop.settings.spark_remote}/{token}"}
    done = subprocess.run(
        [ROOT / ".venvs/spark/bin/python", "-c", program], env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode != 0
    assert "UNAUTHENTICATED" in done.stderr
