-- grain: one row per lake, none if no pair is published
SELECT device_id FROM {{ published('curated.device_users') }} LIMIT 1
