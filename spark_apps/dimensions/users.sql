-- grain: one row per user and version
-- The versions of each user, from every state that the shop sent.
WITH states AS (
    -- Of two states of the same instant one is chosen, the same one in each run.
    SELECT *, row_number() OVER (PARTITION BY user_id, updated_at ORDER BY country, segment, signed_up_at) AS state_number
    FROM {{ table('landing.users') }}
), with_previous AS (
    SELECT
        *,
        struct(country, segment, signed_up_at) AS state,
        lag(struct(country, segment, signed_up_at)) OVER (PARTITION BY user_id ORDER BY updated_at) AS previous_state
    FROM states
    WHERE state_number = 1
), changes AS (
    SELECT *, lead(updated_at) OVER (PARTITION BY user_id ORDER BY updated_at) AS next_change
    FROM with_previous
    WHERE previous_state IS NULL OR NOT state <=> previous_state
)
SELECT
    user_id,
    country,
    segment,
    signed_up_at,
    updated_at AS valid_from,
    next_change AS valid_to,
    next_change IS NULL AS is_current
FROM changes
