"""Variant metrics: requests, errors, response times, impressions and clicks of one variant since it got its model."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from clickstream_contracts.serving_api import COUNTERS, MODEL, P99_MS

# Number of response times that the 99th percentile is computed from.
LATEST_RESPONSES = 1000

# The metrics of each variant, by its name, as JSON fields.
MetricsByVariant = dict[str, dict[str, Any]]


@dataclass
class VariantMetrics:
    """Counters of one variant in one replica; their names are those of `serving_api.COUNTERS`."""

    requests: int = 0
    errors: int = 0
    shown: int = 0
    clicked: int = 0
    latest_ms: deque[float] = field(default_factory=lambda: deque(maxlen=LATEST_RESPONSES))

    def record(self, milliseconds: float, failed: bool) -> None:
        """Count one request and how long the model took for it."""
        self.requests += 1
        if failed:
            self.errors += 1
        self.latest_ms.append(milliseconds)

    @property
    def p99_ms(self) -> float:
        """The 99th percentile of the latest response times in milliseconds; 0 if there were none."""
        if not self.latest_ms:
            return 0.0
        times = sorted(self.latest_ms)
        return round(times[int(0.99 * (len(times) - 1))], 3)

    def to_json(self, model_sha256: str) -> dict[str, Any]:
        """Returns the JSON fields of the variant that this model serves ('' if none does)."""
        counters = {name: getattr(self, name) for name in COUNTERS}
        return {**counters, P99_MS: self.p99_ms, MODEL: model_sha256}


def merge_replicas(replicas: Sequence[MetricsByVariant]) -> MetricsByVariant:
    """Returns the metrics of all replicas as one; empty without replicas."""
    if not replicas:
        return {}
    return {variant: _merge([replica[variant] for replica in replicas]) for variant in replicas[0]}


def _merge(replicas: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Returns sums of the counters, the slowest replica's p99, and the model if all replicas serve the same one."""
    merged: dict[str, Any] = {name: sum(replica[name] for replica in replicas) for name in COUNTERS}
    merged[P99_MS] = max(replica[P99_MS] for replica in replicas)
    models = {replica[MODEL] for replica in replicas}
    merged[MODEL] = models.pop() if len(models) == 1 else ""
    return merged
