"""Tests on a real, throw-away cluster: images, deployment, nightly, training, kills, upgrade, backup, teardown. `make test-kubernetes`."""
