"""Replay: somebody's own event file goes through the shop's door, each line accounted for."""
