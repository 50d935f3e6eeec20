"""What an arm did since it got its model: requests, errors, how long the slow ones took, and lists shown and clicked."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

LATEST = 1000
COUNTS = ("requests", "errors", "shown", "clicked")


@dataclass
class Tally:
    """Counts of one arm in one replica."""

    requests: int = 0
    errors: int = 0
    shown: int = 0
    clicked: int = 0
    latest_ms: deque[float] = field(default_factory=lambda: deque(maxlen=LATEST))

    def add(self, milliseconds: float, failed: bool) -> None:
        """Count an answer."""
        self.requests += 1
        self.errors += failed
        self.latest_ms.append(milliseconds)

    @property
    def p99_ms(self) -> float:
        """The 99th percentile of the latest answers; 0 if there were none."""
        times = sorted(self.latest_ms)
        return round(times[int(0.99 * (len(times) - 1))], 3) if times else 0.0


def together(replicas: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """The arms of all replicas as one: sums, the slowest replica's p99, and a model only if all agree on it."""
    return {name: _one([replica[name] for replica in replicas]) for name in replicas[0]}


def _one(arms: list[dict[str, Any]]) -> dict[str, Any]:
    models = {arm["model"] for arm in arms}
    return {
        **{count: sum(arm[count] for arm in arms) for count in COUNTS},
        "p99_ms": max(arm["p99_ms"] for arm in arms),
        "model": models.pop() if len(models) == 1 else "",
    }
