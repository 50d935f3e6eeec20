-- severity: error
-- meaning: equal purchase lines of one order of which not exactly one counts, or a line with a wrong reason
-- owner: lake
SELECT order_id, product_id, price, quantity, currency, count(*) AS lines, count_if(counted) AS counted_lines
FROM {{ table('curated.order_lines') }}
WHERE event_type = 'purchase' AND NOT reason <=> 'order_total'
GROUP BY order_id, product_id, price, quantity, currency
HAVING count_if(counted) <> 1 OR bool_or(counted <> (reason IS NULL))
