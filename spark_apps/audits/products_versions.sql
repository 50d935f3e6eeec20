-- severity: error
-- meaning: a product's version that is empty, ends neither where the next one begins nor at a deletion, or has a wrong is_current
-- owner: lake
WITH versions AS (
    SELECT *, lead(valid_from) OVER (PARTITION BY product_id ORDER BY valid_from) AS next_from FROM {{ table('curated.products') }}
), deletions AS (
    SELECT DISTINCT product_id, updated_at FROM {{ table('landing.products') }} WHERE deleted
)
SELECT v.product_id, v.valid_from, v.valid_to, v.next_from, v.is_current
FROM versions AS v
LEFT JOIN deletions AS d ON d.product_id = v.product_id AND d.updated_at = v.valid_to
WHERE v.is_current <> (v.valid_to IS NULL)
    OR v.valid_to <= v.valid_from
    OR v.valid_to > v.next_from
    OR (NOT v.valid_to <=> v.next_from AND d.product_id IS NULL)
