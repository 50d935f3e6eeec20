-- severity: error
-- meaning: a neighbour out of its place, beyond the fiftieth, named twice, heavier than the one before it, or the product itself
-- owner: features
WITH places AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY product_id ORDER BY position) AS place,
        lag(weight) OVER (PARTITION BY product_id ORDER BY position) AS weight_before,
        count(*) OVER (PARTITION BY product_id, neighbour_id) AS times
    FROM {features.item_neighbours}
)
SELECT product_id, position, neighbour_id, weight, place, weight_before, times
FROM places
WHERE position <> place OR position > 50 OR times > 1 OR weight > weight_before OR NOT weight > 0 OR neighbour_id = product_id
