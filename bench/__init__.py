"""Benchmarks: side by side in one run, as ratios and CPU-seconds; never a test."""
