"""Maintenance of the lake: compaction, retention of tags, collection of unreferenced files, clean-up of stream state."""
