"""The demo: starts the local stack, runs every DAG once on a simulated shop and prints what happened."""
