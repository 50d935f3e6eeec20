"""Statistics of real shops that the simulator reproduces: shares, quantiles and shapes of distributions."""

from typing import Final

# Sessions: views per session (median 2, p75 4, p90 8, p99 21) and seconds between them (median 33, p10 10, p90 115).
VIEWS_MEDIAN: Final = 1.9
VIEWS_SIGMA: Final = 1.06
VIEWS_MAX: Final = 150
VIEWS_MEAN: Final = 3.3
GAP_MEDIAN_SECONDS: Final = 33.0
GAP_SIGMA: Final = 0.95
GAP_MAX_SECONDS: Final = 1700.0

# Popularity by rank: weight = (rank + offset) ** -slope. The offset flattens the head, as in real shops.
POPULARITY_SLOPE: Final = 0.68
POPULARITY_OFFSET_SHARE: Final = 0.002
CLUSTER_SIZE: Final = 40
IMMEDIATE_REPEAT: Final = 0.10
OUTSIDE_TASTE: Final = 0.12

# Funnel: two thirds of the purchases come without a cart event in their session.
BUYING_SESSIONS: Final = 0.039
CART_BEFORE_PURCHASE: Final = 1 / 3
CART_ONLY_SESSIONS: Final = 0.010
SECOND_LINE: Final = 0.10
SECOND_CART: Final = 0.40
CART_REMOVED: Final = 0.10
PAYMENT_FAILED: Final = 0.06
COUPON: Final = 0.12
REFUNDED: Final = 0.03
SIGN_IN_IN_SESSION: Final = 0.06
LOGIN_FAILED: Final = 0.10
SEARCHING_SESSIONS: Final = 0.05
LANDING_SESSIONS: Final = 0.04
PROFILE_CHANGES: Final = 0.002

# Prices: quantiles of list prices, log-linear between them.
PRICE_QUANTILES: Final = (0.0, 0.05, 0.5, 0.95, 0.99, 1.0)
PRICES: Final = (1.5, 18.0, 154.0, 1053.0, 1748.0, 2600.0)
MISSING_BRAND: Final = 0.14
MISSING_CATEGORY: Final = 0.33

# People: shares of returning visitors, shared devices, offices and mobile carriers.
RETURN_WITHIN_HOURS: Final = 0.08
RETURN_MINUTES: Final = (31.0, 180.0)
ACTIVITY_SIGMA: Final = 0.8
ANONYMOUS_SESSIONS: Final = 0.30
HOUSEHOLD_SIZE: Final = 2
FAMILY_DEVICE: Final = 0.05
SECOND_DEVICE: Final = 0.35
OFFICE_WORKERS: Final = 0.30
OFFICE_SIZE: Final = 60
AT_WORK: Final = 0.5
MOBILE: Final = 0.2
TRAVELLING: Final = 0.01

# Flash sale: every third day one cluster is 30 % cheaper for 15 minutes, with ten times the usual traffic.
SALE_DAYS: Final = 1 / 3
SALE_MINUTES: Final = 15
SALE_TRAFFIC: Final = 10
SALE_VISITORS_AT_SALE: Final = 0.7
SALE_DISCOUNT: Final = 0.30

# Sessions per hour of the day (UTC), relative.
HOURS: Final = (3, 2, 1.5, 1, 1, 1.5, 3, 5, 6, 6.5, 7, 7, 7, 6.5, 6, 6, 6.5, 7, 8, 9, 9, 8, 6, 4)

# (city, country, currency, latitude, longitude, relative size)
PLACES: Final = (
    ("Berlin", "DE", "EUR", 52.52, 13.40, 9),
    ("Munich", "DE", "EUR", 48.14, 11.58, 6),
    ("Hamburg", "DE", "EUR", 53.55, 9.99, 6),
    ("Vienna", "AT", "EUR", 48.21, 16.37, 4),
    ("Paris", "FR", "EUR", 48.86, 2.35, 9),
    ("Lyon", "FR", "EUR", 45.76, 4.84, 4),
    ("Madrid", "ES", "EUR", 40.42, -3.70, 6),
    ("Milan", "IT", "EUR", 45.46, 9.19, 5),
    ("Amsterdam", "NL", "EUR", 52.37, 4.90, 5),
    ("London", "GB", "GBP", 51.51, -0.13, 10),
    ("Manchester", "GB", "GBP", 53.48, -2.24, 4),
    ("Zurich", "CH", "CHF", 47.37, 8.54, 3),
    ("New York", "US", "USD", 40.71, -74.01, 6),
    ("Warsaw", "PL", "PLN", 52.23, 21.01, 4),
)
SEGMENTS: Final = ("new", "regular", "loyal", "vip", "dormant")
SEGMENT_SHARES: Final = (0.25, 0.40, 0.18, 0.05, 0.12)
DEPARTMENTS: Final = ("apparel", "appliances", "auto", "computers", "electronics", "furniture", "garden", "kids", "sport", "stationery")
SHELVES: Final = ("accessories", "basic", "compact", "design", "family", "outdoor", "professional", "travel")
COUPONS: Final = ("WELCOME10", "SUMMER5", "FREESHIP", "LOYAL15")
REFERRERS: Final = ("https://search.example/", "https://social.example/feed", "https://news.example/deals", "https://mail.example/", "")
USER_AGENTS: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148",
)
