"""Clients of Ray Serve: comparing the variants of a rollout, and asking for recommendations as a shop does."""
