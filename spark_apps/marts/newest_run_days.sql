-- grain: one row per branch
-- The newest day of a run on this branch, and of the published runs; null if there is none.
SELECT
    (SELECT max(day) FROM {{ table('curated.ingest_ledger') }}) AS newest_day,
    (SELECT max(day) FROM {{ published('curated.ingest_ledger') }}) AS published_day
