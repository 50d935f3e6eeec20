-- severity: warn
-- meaning: more than a tenth of the order lines of the newest full day are repeats: the shop sends orders more than once
-- owner: shop
SELECT line_day, count(*) AS lines, count_if(reason = 'repeat') AS repeats, max_by(order_id, repeat_of) AS example_order_id
FROM {{ table('curated.order_lines') }}
WHERE line_day = {{ newest_day | literal }}
GROUP BY line_day
HAVING count_if(reason = 'repeat') * 10 > count(*)
