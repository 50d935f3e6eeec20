"""Clients of the services that the operators call: Nessie, Flink, Ray, and the object store."""
