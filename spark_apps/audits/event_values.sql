-- severity: error
-- meaning: an event with a negative quantity or price, or a place that is not on earth
-- owner: lake
SELECT event_id, quantity, price, latitude, longitude
FROM {curated.events}
WHERE quantity < 0 OR price < 0 OR abs(latitude) > 90 OR abs(longitude) > 180
