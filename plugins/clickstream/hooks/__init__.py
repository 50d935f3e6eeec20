"""Clients of the services that the operators speak with."""
