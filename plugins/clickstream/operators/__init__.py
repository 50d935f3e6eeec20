"""Operators of this project, one kind per file."""
