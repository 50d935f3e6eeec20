-- grain: one row per lake, none if no refund is published
SELECT day FROM {{ published('marts.refunds_daily') }} LIMIT 1
