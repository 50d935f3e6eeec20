"""Airflow side of the project: the runtime that builds operators, and the operators, hooks and DAG helpers."""
