"""The lake: catalog and tables, references, trace of an id, bootstrap, master data, object store."""
