"""Maintenance of the lake: compaction, retention of rows and tags, collection of unreferenced files, clean-up of stream state."""
