-- Co-visitation: products viewed at most six views apart in a session, the heaviest fifty of each product.
WITH places AS (
    SELECT items, posexplode(items) AS (place, product_id)
    FROM {features.training_sessions}
), pairs AS (
    SELECT p.product_id AS earlier, n.later, n.step + 1 AS distance
    FROM places AS p
    LATERAL VIEW posexplode(slice(p.items, p.place + 2, 6)) n AS step, later
    WHERE p.product_id <> n.later
), links AS (
    -- In 300ths every weight is whole: 1 / distance forward, 0.4 / distance back. Whole numbers have one sum in any order.
    SELECT earlier AS product_id, later AS neighbour_id, 300 DIV distance AS weight FROM pairs
    UNION ALL
    SELECT later, earlier, 120 DIV distance FROM pairs
), sums AS (
    SELECT product_id, neighbour_id, sum(weight) AS weight FROM links GROUP BY product_id, neighbour_id
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY product_id ORDER BY weight DESC, neighbour_id) AS position FROM sums
)
SELECT product_id, position, neighbour_id, weight / CAST(300 AS DOUBLE) AS weight
FROM ranked
WHERE position <= 50
