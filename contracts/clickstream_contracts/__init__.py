"""The contract: one event, its tables, every setting and every name. Imports the standard library and PyYAML only."""
