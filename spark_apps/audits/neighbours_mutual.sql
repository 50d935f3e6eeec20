-- severity: error
-- meaning: a neighbour that does not have its product as neighbour although it has room, or with a weight that no pair of views can give
-- owner: features
WITH kept AS (
    SELECT *, count(*) OVER (PARTITION BY product_id) AS neighbours FROM {features.item_neighbours}
), places AS (
    SELECT DISTINCT product_id, neighbours FROM kept
)
SELECT k.product_id, k.neighbour_id, k.weight, b.weight AS weight_back, p.neighbours AS neighbours_of_neighbour
FROM kept AS k
LEFT JOIN places AS p ON p.product_id = k.neighbour_id
LEFT JOIN kept AS b ON b.product_id = k.neighbour_id AND b.neighbour_id = k.product_id
WHERE coalesce(NOT k.weight / b.weight BETWEEN 0.3999 AND 2.5001, coalesce(p.neighbours, 0) < 50)
