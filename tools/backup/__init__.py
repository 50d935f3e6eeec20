"""Backups of the lake (Nessie's version store and the bucket) and of Airflow's metadata, and their restore."""
