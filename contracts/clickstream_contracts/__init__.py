"""What all packages share: event, tables, names, settings, receipts, fraud rules. Imports the standard library, PyYAML and Jinja2."""
