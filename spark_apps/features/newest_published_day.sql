-- grain: one row per branch
-- The newest day that a nightly run was published for.
SELECT max(day) FROM {{ table('curated.ingest_ledger') }}
