-- grain: one row per day
-- All days with refunds, if no refund is published: the table is new, and its first run computes the days of earlier runs too.
SELECT DISTINCT line_day AS day
FROM {{ table('curated.order_lines') }}
WHERE event_type = 'refund' AND counted AND NOT EXISTS (SELECT 1 FROM {{ published('marts.refunds_daily') }})
