"""The variants of a rollout in one replica: the model that the pointer names for each, and its metrics."""

from dataclasses import dataclass, field

from clickstream_contracts.rollout_pointer import Pointer
from clickstream_contracts.serving_api import CANDIDATE, STABLE
from ray_apps.serving.metrics import MetricsByVariant, VariantMetrics
from ray_apps.serving.scorer import Scorer


@dataclass(frozen=True)
class Variant:
    """`wanted` is the sha256 of the model that the pointer names; `scorer` is the model that serves (None: none is loaded), and
    `release` the one that it belongs to.
    """

    wanted: str = ""
    scorer: Scorer | None = None
    release: str = ""
    metrics: VariantMetrics = field(default_factory=VariantMetrics)

    def with_model(self, wanted: str, scorer: Scorer | None, release: str) -> "Variant":
        """Returns this variant with another model. The metrics start again at 0 if the pointer names a different one."""
        metrics = self.metrics if wanted == self.wanted else VariantMetrics()
        return Variant(wanted, scorer, release, metrics)


@dataclass(frozen=True)
class RolloutState:
    """The pointer and both variants. It is replaced as a whole: a request that reads it once sees a consistent rollout."""

    pointer: Pointer = field(default_factory=Pointer)
    stable: Variant = field(default_factory=Variant)
    candidate: Variant = field(default_factory=Variant)

    def loaded(self, sha256: str) -> Scorer | None:
        """Returns the model with this sha256 if one of the variants holds it."""
        for variant in (self.stable, self.candidate):
            if variant.scorer and variant.scorer.sha256 == sha256:
                return variant.scorer
        return None

    def metrics(self) -> MetricsByVariant:
        """Returns the metrics of both variants with the model that serves each."""
        variants = {STABLE: self.stable, CANDIDATE: self.candidate}
        return {name: variant.metrics.to_json(variant.scorer.sha256 if variant.scorer else "") for name, variant in variants.items()}
