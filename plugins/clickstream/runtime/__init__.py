"""The runtime switch: CLICKSTREAM_RUNTIME is read here, once, and names the module that builds every operator."""

from importlib import import_module

from clickstream.runtime.base import FlinkStream, RayJob, Runtime, SparkJob, ToolJob
from clickstream_contracts.settings import Settings

__all__ = ["FlinkStream", "RayJob", "Runtime", "SparkJob", "ToolJob", "rt"]


def _chosen(settings: Settings) -> Runtime:
    runtime: Runtime = import_module(f"{__name__}.{settings.runtime}").build(settings)
    return runtime


rt = _chosen(Settings.from_env())
