"""Benchmarks: figures in CPU-seconds, and ratios to a baseline that the same run measures. No test depends on them."""
