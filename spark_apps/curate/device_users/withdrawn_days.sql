-- grain: one row per day
-- The first and the last day on which the withdrawn pairs were published.
SELECT explode(array(CAST(min(p.first_seen) AS DATE), CAST(max(p.last_seen) AS DATE))) AS day
FROM {{ published('curated.device_users') }} AS p
LEFT SEMI JOIN changed_pairs AS c ON c.withdrawn AND c.device_id = p.device_id AND c.user_id = p.user_id
