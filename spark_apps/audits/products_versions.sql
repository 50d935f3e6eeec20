-- severity: error
-- meaning: a product's version that is empty, ends neither where the next one begins nor at the first deletion after its start, or has a wrong is_current
-- owner: lake
WITH versions AS (
    SELECT *, lead(valid_from) OVER (PARTITION BY product_id ORDER BY valid_from) AS next_from FROM {{ table('curated.products') }}
), deletions AS (
    SELECT v.product_id, v.valid_from, min(l.updated_at) AS deleted_at
    FROM versions AS v
    JOIN {{ table('landing.products') }} AS l ON l.product_id = v.product_id AND l.deleted AND l.updated_at > v.valid_from
    GROUP BY v.product_id, v.valid_from
)
SELECT v.product_id, v.valid_from, v.valid_to, v.next_from, d.deleted_at, v.is_current
FROM versions AS v
LEFT JOIN deletions AS d ON d.product_id = v.product_id AND d.valid_from = v.valid_from
WHERE NOT v.valid_to <=> least(v.next_from, d.deleted_at) OR v.is_current <> (v.valid_to IS NULL) OR v.valid_to <= v.valid_from
