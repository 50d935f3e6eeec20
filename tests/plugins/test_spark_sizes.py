"""Number and sizes of the Spark pods follow the settings."""

import pytest

from clickstream.runtime.base import SparkJob
from clickstream.runtime.kubernetes import Kubernetes
from clickstream_contracts.settings import Settings, SettingsError

JOB = SparkJob("curate", ("--ref", "main"))


def test_the_settings_set_number_and_sizes_of_executors() -> None:
    settings = Settings(spark_max_executors=8, spark_executor_cores=2, spark_executor_memory="4g", spark_driver_memory="768m")
    spec = Kubernetes(settings).spark_application(JOB)["spec"]
    assert spec["dynamicAllocation"]["maxExecutors"] == 8
    executor, driver = spec["executor"], spec["driver"]
    assert [executor[key] for key in ("cores", "coreRequest", "coreLimit", "memory", "memoryOverhead")] == [2, "1000m", "4", "4g", "1639m"]
    assert [driver[key] for key in ("cores", "memory", "memoryOverhead")] == [1, "768m", "512m"]


def test_a_memory_without_a_known_unit_is_refused() -> None:
    with pytest.raises(SettingsError, match="'4 GB': use a whole number with m or g"):
        Kubernetes(Settings(spark_executor_memory="4 GB")).spark_application(JOB)
