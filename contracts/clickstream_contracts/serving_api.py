"""The serving HTTP API as the server (ray_apps) and its clients (tools) share it: paths, variants and JSON fields."""

VARIANTS_PATH = "/variants"

STABLE = "stable"
CANDIDATE = "candidate"
VARIANTS = (STABLE, CANDIDATE)
# The variant of a response while no model is served yet.
NO_VARIANT = "none"

# Fields of one variant in the response of VARIANTS_PATH. The counters are sums over all replicas since they got the model:
# requests, failed requests, recommendation lists shown (impressions), and lists of which an item was viewed (clicks).
REQUESTS = "requests"
ERRORS = "errors"
SHOWN = "shown"
CLICKED = "clicked"
COUNTERS = (REQUESTS, ERRORS, SHOWN, CLICKED)
# 99th percentile of the latest response times in milliseconds, of the slowest replica.
P99_MS = "p99_ms"
# sha256 of the model that serves the variant; '' if there is none, or if the replicas serve different ones.
MODEL = "model"

# Response header with the milliseconds that a list took, from its request on, in the form of the W3C: `rank;dur=3.1`.
SERVER_TIMING = "Server-Timing"
# The end of the field `fallback` of a response whose variant's model failed: it raised, was too slow, or is not loaded.
FAILED = " failed"
