-- grain: one row per day
-- All days with refunds.
SELECT DISTINCT line_day AS day
FROM {{ table('curated.order_lines') }}
WHERE event_type = 'refund' AND counted
