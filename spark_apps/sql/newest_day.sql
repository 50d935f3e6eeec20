-- The newest day that a run was published for.
SELECT max(day) FROM {curated.ingest_ledger}
