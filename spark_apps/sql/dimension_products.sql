-- The versions of each product, made from every state that the shop reported.
WITH states AS (
    -- Two states of one instant: one of them wins, and it is the same one each time.
    SELECT
        *,
        row_number() OVER (PARTITION BY product_id, updated_at ORDER BY name, category, brand, list_price, currency) AS choice
    FROM {landing.products}
), steps AS (
    SELECT
        *,
        struct(name, category, brand, list_price, currency) AS state,
        lag(struct(name, category, brand, list_price, currency)) OVER (PARTITION BY product_id ORDER BY updated_at) AS state_before
    FROM states
    WHERE choice = 1
), changes AS (
    SELECT *, lead(updated_at) OVER (PARTITION BY product_id ORDER BY updated_at) AS next_change
    FROM steps
    WHERE state_before IS NULL OR NOT state <=> state_before
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
