"""The runtime switch: CLICKSTREAM_RUNTIME names the module here that builds the operators. It is read once, at import."""

from importlib import import_module

from clickstream.runtime.base import FlinkStream, RayJob, Runtime, SparkJob, ToolJob
from clickstream_contracts.settings import Settings

__all__ = ["FlinkStream", "RayJob", "Runtime", "SparkJob", "ToolJob", "runtime"]


def _load_runtime(settings: Settings) -> Runtime:
    module = import_module(f"{__name__}.{settings.runtime}")
    built: Runtime = module.build(settings)
    return built


runtime = _load_runtime(Settings.from_env())
