"""Variant metrics over all replicas; impressions and clicks are counted for the variant that made the list."""

from ray_apps.serving.impressions import CLICK_WINDOW_MS, Impressions
from ray_apps.serving.metrics import VariantMetrics, merge_replicas


def test_metrics_of_all_replicas_are_merged() -> None:
    first, second = VariantMetrics(), VariantMetrics()
    for milliseconds in range(100):
        first.record(milliseconds, failed=False)
    second.record(3, failed=True)
    first.shown, second.shown, second.clicked = 5, 6, 2
    replicas = [{"stable": first.to_json("a")}, {"stable": second.to_json("a")}]
    counters = {"requests": 101, "errors": 1, "shown": 11, "clicked": 2}
    assert merge_replicas(replicas) == {"stable": counters | {"p99_ms": 98, "model": "a"}}


def test_merged_metrics_name_no_model_while_replicas_serve_different_ones() -> None:
    replicas = [{"stable": VariantMetrics().to_json(model)} for model in ("a", "b")]
    assert merge_replicas(replicas)["stable"]["model"] == ""


def test_p99_without_requests_is_zero() -> None:
    assert VariantMetrics().p99_ms == 0


def test_only_a_view_of_a_listed_item_within_the_window_is_a_click() -> None:
    metrics = VariantMetrics()
    impressions = Impressions(now_ms=lambda: 1_000)
    impressions.record_shown("u", ["p", "q"], metrics)
    impressions.record_view("u", "p", broker_time_ms=999)
    impressions.record_view("u", "not in the list", broker_time_ms=1_001)
    impressions.record_view("u", "p", broker_time_ms=1_001 + CLICK_WINDOW_MS)
    impressions.record_view("another user", "p", broker_time_ms=1_001)
    assert (metrics.shown, metrics.clicked) == (1, 0)


def test_a_list_is_clicked_at_most_once() -> None:
    metrics = VariantMetrics()
    impressions = Impressions(now_ms=lambda: 1_000)
    impressions.record_shown("u", ["p", "q"], metrics)
    for item in ("q", "p", "q"):
        impressions.record_view("u", item, broker_time_ms=1_002)
    assert metrics.clicked == 1


def test_a_click_counts_for_the_variant_that_made_the_last_list() -> None:
    first, second = VariantMetrics(), VariantMetrics()
    impressions = Impressions(now_ms=lambda: 1_000)
    impressions.record_shown("u", ["p"], first)
    impressions.record_shown("u", ["r"], second)
    impressions.record_view("u", "p", broker_time_ms=1_003)
    impressions.record_view("u", "r", broker_time_ms=1_003)
    assert (first.shown, first.clicked, second.shown, second.clicked) == (1, 0, 1, 1)


def test_impressions_of_the_least_recent_users_are_evicted() -> None:
    metrics, impressions = VariantMetrics(), Impressions(max_users=2, now_ms=lambda: 0)
    for user in ("u1", "u2", "u1", "u3"):
        impressions.record_shown(user, ["p"], metrics)
    for user in ("u1", "u2", "u3"):
        impressions.record_view(user, "p", broker_time_ms=1)
    assert (metrics.shown, metrics.clicked) == (4, 2)
