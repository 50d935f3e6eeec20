-- The versions of each user, made from every state that the shop reported.
WITH states AS (
    -- Two states of one instant: one of them wins, and it is the same one each time.
    SELECT *, row_number() OVER (PARTITION BY user_id, updated_at ORDER BY country, segment, signed_up_at) AS choice
    FROM {landing.users}
), steps AS (
    SELECT
        *,
        struct(country, segment, signed_up_at) AS state,
        lag(struct(country, segment, signed_up_at)) OVER (PARTITION BY user_id ORDER BY updated_at) AS state_before
    FROM states
    WHERE choice = 1
), changes AS (
    SELECT *, lead(updated_at) OVER (PARTITION BY user_id ORDER BY updated_at) AS next_change
    FROM steps
    WHERE state_before IS NULL OR NOT state <=> state_before
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
