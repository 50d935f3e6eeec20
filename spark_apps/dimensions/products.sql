-- grain: one row per product and version
-- The versions of each product, from every state that the shop sent.
WITH states AS (
    -- Of two states of the same instant one is chosen, the same one in each run.
    SELECT
        *,
        row_number() OVER (PARTITION BY product_id, updated_at ORDER BY name, category, brand, list_price, currency) AS state_number
    FROM {{ table('landing.products') }}
), with_previous AS (
    SELECT
        *,
        struct(name, category, brand, list_price, currency) AS state,
        lag(struct(name, category, brand, list_price, currency)) OVER (PARTITION BY product_id ORDER BY updated_at) AS previous_state
    FROM states
    WHERE state_number = 1
), changes AS (
    SELECT *, lead(updated_at) OVER (PARTITION BY product_id ORDER BY updated_at) AS next_change
    FROM with_previous
    WHERE previous_state IS NULL OR NOT state <=> previous_state
)
SELECT
    product_id,
    name,
    category,
    brand,
    list_price,
    currency,
    updated_at AS valid_from,
    next_change AS valid_to,
    next_change IS NULL AS is_current
FROM changes
