"""Erasure of one user: from the tables of the lake, behind its tags, and from compacted Kafka topics."""
