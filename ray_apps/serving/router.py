"""Routes each request to a variant of the rollout, and reloads the models when the pointer moves.

A new model replaces the old one by one assignment, after it was read, verified and warmed up. If it cannot be loaded, users of
the candidate get the stable model, and a stable model that cannot be loaded leaves the previous one in service.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from clickstream_contracts.model_artefact import IncompatibleArtefact
from clickstream_contracts.rollout_pointer import Pointer
from clickstream_contracts.serving_api import CANDIDATE, FAILED, NO_VARIANT, STABLE
from ray_apps.common.cli import one_line
from ray_apps.serving.metrics import MetricsByVariant, VariantMetrics
from ray_apps.serving.rollout_store import RolloutStore
from ray_apps.serving.scorer import Scorer
from ray_apps.serving.split import variant_of
from ray_apps.serving.variants import RolloutState, Variant

# Seconds until a model that could not be loaded is tried again.
RETRY_SECONDS = 30.0
log = logging.getLogger("ray.serve")

# A call of the model; an empty list means that the model has nothing to recommend.
ModelCall = Callable[[Scorer], list[Any]]


@dataclass(frozen=True)
class RoutedResult:
    """The items that a model returned, and the variant, model and release that they come from.

    `failure` says which variant's model failed ('' if none did). An impression of the items is to be counted in `metrics`;
    None means that it must not be counted, because no model returned them or because they are a fallback from the candidate.
    """

    items: list[Any]
    variant: str
    scorer: Scorer | None
    release: str
    failure: str = ""
    metrics: VariantMetrics | None = None


class Router:
    """The rollout in one replica. `follow` and `load` run in a thread each, `call` and `metrics` in any."""

    def __init__(self, store: RolloutStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._commit = ""
        # The pointer as it was read last, and the release of its stable model.
        self._wanted = (Pointer(), "")
        self._incompatible: set[str] = set()
        self.followed_at = clock()
        self._retry_at: dict[str, float] = {}
        self._lock = threading.Lock()
        self.state = RolloutState()

    def refresh(self) -> None:
        """Follow the pointer, and load the models it names. Raises the store's error if it cannot be reached."""
        self.follow()
        self.load()

    def follow(self) -> None:
        """Read the pointer if main has a new commit. It is valid at once if its models are in memory, as after a rollback.

        Raises the store's error if it cannot be reached; the state then stays as it is.
        """
        commit = self._store.commit()
        if commit != self._commit:
            self._wanted = self._store.pointer()
            self._commit = commit
        self.followed_at = self._clock()
        wanted = self._wanted
        models = {sha256: self.state.loaded(sha256) for sha256 in (wanted[0].stable, wanted[0].candidate) if sha256}
        if all(models.values()):
            self._serve(wanted, models)

    def load(self) -> None:
        """Load the models of the pointer that are not in memory, which may take minutes, and serve them unless it moved meanwhile."""
        wanted = self._wanted
        self._serve(wanted, {sha256: self._load(sha256) for sha256 in (wanted[0].stable, wanted[0].candidate) if sha256})

    def _serve(self, wanted: tuple[Pointer, str], models: Mapping[str, Scorer | None]) -> None:
        with self._lock:
            if wanted != self._wanted:
                return
            old, (pointer, release) = self.state, wanted
            scorer = models.get(pointer.stable)
            if scorer is None and pointer.stable:
                scorer, release = old.stable.scorer, old.stable.release
            stable = old.stable.with_model(pointer.stable, scorer, release)
            candidate = old.candidate.with_model(pointer.candidate, models.get(pointer.candidate), pointer.release)
            self.state = RolloutState(pointer, stable, candidate)

    @property
    def follow_age_seconds(self) -> float:
        """Seconds since the pointer was followed last."""
        return self._clock() - self.followed_at

    @property
    def knows_rollout(self) -> bool:
        """Whether the pointer was read, and its stable model is loaded, or cannot be built by this code."""
        stable = self._wanted[0].stable
        return bool(self._commit) and (not stable or self.state.stable.scorer is not None or stable in self._incompatible)

    def _load(self, sha256: str) -> Scorer | None:
        """Returns the model from memory or from the store; None if it failed less than RETRY_SECONDS ago."""
        loaded = self.state.loaded(sha256)
        if loaded or self._clock() < self._retry_at.get(sha256, 0.0):
            return loaded
        try:
            scorer = Scorer(self._store.load_model(sha256))
            scorer.warm_up()
        except Exception as error:
            log.warning("cannot load model %s, next attempt in %.0f s: %s", sha256[:12], RETRY_SECONDS, one_line(error))
            self._retry_at[sha256] = self._clock() + RETRY_SECONDS
            if isinstance(error, IncompatibleArtefact):
                self._incompatible.add(sha256)
            return None
        self._retry_at.pop(sha256, None)
        return scorer

    def call(self, visitor: str, model_call: ModelCall, variant: str = "") -> RoutedResult:
        """Call the model of the visitor's variant, or of `variant` if it is given; if the candidate fails, the stable one.

        The result is empty if the stable model fails too or if there is none.
        """
        state = self.state
        share = state.pointer.share if state.pointer.candidate else 0
        if (variant or variant_of(visitor, share)) == STABLE:
            return _call_stable(state, model_call)
        items = _call_model(state.candidate, model_call)
        if items is None:
            return _call_stable(state, model_call, failure=CANDIDATE + FAILED)
        return RoutedResult(items, CANDIDATE, state.candidate.scorer, state.candidate.release, metrics=state.candidate.metrics)

    def metrics(self) -> MetricsByVariant:
        """Returns the metrics of both variants in this replica."""
        return self.state.metrics()


def _call_stable(state: RolloutState, model_call: ModelCall, failure: str = "") -> RoutedResult:
    stable = state.stable
    if not stable.wanted:
        return RoutedResult([], NO_VARIANT, None, "", failure)
    items = _call_model(stable, model_call)
    if items is None:
        return RoutedResult([], STABLE, None, stable.release, failure or STABLE + FAILED)
    # After a fallback the user is still one of the candidate's: the list must not count for the stable model.
    metrics = None if failure else stable.metrics
    return RoutedResult(items, STABLE, stable.scorer, stable.release, failure, metrics)


def _call_model(variant: Variant, model_call: ModelCall) -> list[Any] | None:
    """Returns what the variant's model returns, and records the request; None if the model is not loaded, fails or is too slow."""
    start, items = time.perf_counter(), None
    if variant.scorer:
        scorer = variant.scorer
        try:
            items = scorer.thread.call(lambda: model_call(scorer))
        except Exception as error:
            log.warning("model %s failed, the request gets a fallback: %s", variant.wanted[:12], one_line(error))
    variant.metrics.record(milliseconds=1000 * (time.perf_counter() - start), failed=items is None)
    return items
