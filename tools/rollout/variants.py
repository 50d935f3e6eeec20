"""Metrics of the variants of a rollout, and the rules by which a candidate is rejected."""

from typing import Any

from clickstream_contracts.serving_api import (
    CANDIDATE,
    CLICKED,
    COUNTERS,
    ERRORS,
    MODEL,
    P99_MS,
    REQUESTS,
    SHOWN,
    STABLE,
    VARIANTS,
    VARIANTS_PATH,
)
from tools.rollout.serve_client import ServeClient

# The metrics of one variant by field, and of each variant by its name.
Metrics = dict[str, Any]
Variants = dict[str, Metrics]

# The candidate's p99 latency may be twice the stable model's, and up to 50 ms in any case: users do not notice that.
MAX_LATENCY_RATIO, ALWAYS_ALLOWED_MS = 2.0, 50.0
# The candidate's share of failed requests may be higher than the stable model's by this.
MORE_ERRORS = 0.001
# Standard normal quantile of a one-sided test with a false positive rate of 1 %.
Z_LIMIT = 2.33
# The normal approximation of the test needs some clicks; with fewer the click-through is not compared.
MIN_CLICKS = 10
# Digits of a sha256 in messages.
SHORT = 12
NO_TRAFFIC: Metrics = {**dict.fromkeys(COUNTERS, 0), P99_MS: 0.0, MODEL: ""}


def read(serve: ServeClient) -> Variants:
    """Returns the metrics of both variants summed over all replicas; a variant that is not served has no traffic."""
    served = serve.get(VARIANTS_PATH)["variants"]
    return {name: NO_TRAFFIC | served.get(name, {}) for name in VARIANTS}


def traffic_between(before: Variants, after: Variants) -> Variants:
    """Returns `after` with the counters reduced by those of `before`."""
    return {name: _subtract(after[name], before[name]) for name in after}


def _subtract(after: Metrics, before: Metrics) -> Metrics:
    # A variant that gets another model, or whose replica restarts, counts from zero again.
    was_reset = after[MODEL] != before[MODEL] or after[REQUESTS] < before[REQUESTS]
    if was_reset:
        return after
    return after | {name: after[name] - before[name] for name in COUNTERS}


def reasons_against(variants: Variants, candidate_sha256: str) -> list[str]:
    """Returns every reason to reject the candidate, by the requests of users and of the replay."""
    new, old = variants[CANDIDATE], variants[STABLE]
    reasons = []
    if new[MODEL] != candidate_sha256:
        reasons.append(f"the candidate variant serves model {new[MODEL][:SHORT] or 'none'} instead of {candidate_sha256[:SHORT]}")
    # One error in a million requests is no reason, one in a few is.
    if _error_share(new) > _error_share(old) + MORE_ERRORS:
        reasons.append(f"{_error_rate(new)} requests to the candidate failed, {_error_rate(old)} to the stable model")
    limit = max(ALWAYS_ALLOWED_MS, MAX_LATENCY_RATIO * old[P99_MS])
    # "not <=" instead of ">": it also holds for NaN.
    if not new[P99_MS] <= limit:
        reasons.append(f"the candidate's p99 latency is {new[P99_MS]} ms, the limit is {limit:.0f} ms")
    if clicks_are_significantly_lower(new, old):
        reasons.append(f"{_click_rate(new)} lists of the candidate were clicked, {_click_rate(old)} of the stable model")
    return reasons


def clicks_are_significantly_lower(new: Metrics, old: Metrics) -> bool:
    """Returns whether the click-through of `new` is significantly lower: one-sided two-proportion z-test with pooled variance."""
    lists, clicks = new[SHOWN] + old[SHOWN], new[CLICKED] + old[CLICKED]
    if new[SHOWN] == 0 or old[SHOWN] == 0 or clicks < MIN_CLICKS:
        return False
    pooled = clicks / lists
    standard_error = (pooled * (1 - pooled) * (1 / new[SHOWN] + 1 / old[SHOWN])) ** 0.5
    return bool(new[CLICKED] / new[SHOWN] - old[CLICKED] / old[SHOWN] < -Z_LIMIT * standard_error)


def _error_share(metrics: Metrics) -> float:
    return float(metrics[ERRORS] / max(metrics[REQUESTS], 1))


def _error_rate(metrics: Metrics) -> str:
    return f"{metrics[ERRORS]} of {metrics[REQUESTS]}"


def _click_rate(metrics: Metrics) -> str:
    return f"{metrics[CLICKED]} of {metrics[SHOWN]}"


def summary(variants: Variants) -> str:
    """Returns the metrics of both variants as one line."""
    new, old = variants[CANDIDATE], variants[STABLE]
    return (
        f"candidate: {_error_rate(new)} requests failed, p99 {new[P99_MS]} ms, {_click_rate(new)} lists clicked;"
        f" stable: {_error_rate(old)} requests failed, p99 {old[P99_MS]} ms, {_click_rate(old)} lists clicked"
    )
