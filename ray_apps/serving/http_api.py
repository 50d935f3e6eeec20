"""The HTTP API of a replica (FastAPI). All paths but /healthz and /openapi.json require the bearer token (`request_guard`)."""

import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from fastapi import Body, Depends, FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer

from clickstream_contracts.serving_api import SERVER_TIMING, VARIANTS_PATH
from ray_apps.serving.metrics import MetricsByVariant
from ray_apps.serving.recommender import Recommender
from ray_apps.serving.records import MAX_ID_LENGTH
from ray_apps.serving.request_guard import RequestGuard

MAX_ITEMS = 100
MAX_SESSION_ITEMS = 1000
TOP = "Maximum number of items in the response."
SEEN = "Whether the list may contain items that were just viewed."
USER_ID = "User id; it decides the variant of the rollout."
SESSION_ID = "Session id of an anonymous visitor; it decides the variant if there is no user id. Without both the stable variant responds."
VARIANT = "Only for the check of a rollout: the variant that responds, whoever asks."

Top = Annotated[int, Query(ge=1, le=MAX_ITEMS, description=TOP)]
Seen = Annotated[bool, Query(description=SEEN)]
# With `:path` in the route: an id may contain a slash.
IdInPath = Annotated[str, Path(min_length=1, max_length=MAX_ID_LENGTH)]
IdInBody = Annotated[str, Body(max_length=MAX_ID_LENGTH)]
Visitor = Annotated[str, Query(max_length=MAX_ID_LENGTH, description="User id or session id; it decides the variant of the rollout.")]
Json = dict[str, Any]
ReadMetrics = Callable[[], Awaitable[MetricsByVariant]]
ReadHealth = Callable[[], Json]


def build(recommender: Recommender, token: str, read_metrics: ReadMetrics, read_health: ReadHealth = dict) -> FastAPI:
    """Returns the application of one replica.

    `read_metrics` returns the variant metrics of all replicas, `read_health` further fields of /healthz.
    """
    # No /docs and /redoc: their pages load scripts from a public CDN. /openapi.json is served.
    app = FastAPI(title="Clickstream recommendations", version="1", docs_url=None, redoc_url=None)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_middleware(RequestGuard, token=token)
    # For /openapi.json; RequestGuard compares the token.
    authorized = [Depends(HTTPBearer(auto_error=False))]

    # Handlers that rank are no coroutines: FastAPI calls them in threads, so that a slow model does not block the event loop.
    @app.get("/recommend/{user_id:path}", dependencies=authorized)
    def recommend(response: Response, user_id: IdInPath, k: Top = 20, seen: Seen = False) -> Json:
        """Recommend items for a user by the user's recent views.

        `fallback` in the response is empty if the model made the list; otherwise it is the reason for a fallback list.
        """
        return _timed(response, lambda: recommender.for_user(user_id, k, seen))

    @app.post("/recommend", dependencies=authorized)
    def recommend_for_session(
        response: Response,
        items: Annotated[list[IdInBody], Body(description="Product ids viewed, the newest last.", max_length=MAX_SESSION_ITEMS)],
        user_id: Annotated[str, Body(max_length=MAX_ID_LENGTH, description=USER_ID)] = "",
        session_id: Annotated[str, Body(max_length=MAX_ID_LENGTH, description=SESSION_ID)] = "",
        k: Annotated[int, Body(ge=1, le=MAX_ITEMS, description=TOP)] = 20,
        seen: Annotated[bool, Body(description=SEEN)] = False,
        variant: Annotated[Literal["", "stable", "candidate"], Body(description=VARIANT)] = "",
    ) -> Json:
        """Recommend items for the views of a session; an empty session of a known user uses the user's recent views."""
        return _timed(response, lambda: recommender.for_session(items, user_id, k, seen, session_id, variant))

    @app.get("/similar/{product_id:path}", dependencies=authorized)
    def similar(response: Response, product_id: IdInPath, k: Top = 20, visitor: Visitor = "") -> Json:
        """List items that visitors view together with this one, with their co-visitation weight as `score`."""
        return _timed(response, lambda: recommender.similar(product_id, k, visitor))

    @app.get(VARIANTS_PATH, dependencies=authorized)
    async def variants() -> Json:
        """Metrics of the rollout's variants, summed over all replicas since each variant got its model."""
        metrics = await read_metrics()
        if not metrics:
            raise HTTPException(503, "no replica returned its metrics: repeat the request")
        return {"variants": metrics}

    @app.get("/healthz")
    async def healthz() -> Json:
        """Liveness of this replica, the release that it serves, and how far it is behind Kafka and the rollout."""
        return {"status": "ok", "release": recommender.router.state.pointer.release, **read_health()}

    return app


def _timed(response: Response, recommend: Callable[[], Json]) -> Json:
    """Returns the recommendations, and sets the header with the milliseconds they took."""
    started = time.perf_counter()
    recommendations = recommend()
    response.headers[SERVER_TIMING] = f"rank;dur={1000 * (time.perf_counter() - started):.3f}"
    return recommendations


async def _invalid_request(request: Request, error: Exception) -> JSONResponse:
    """Returns 422 with one line about the first invalid value, e.g. `k='0': input should be greater than or equal to 1`."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    # The location is ("query", "k") or ("body", "items", 0).
    name = ".".join(str(step) for step in first["loc"][1:]) or "body"
    value = repr(first.get("input"))[:100]
    message = first["msg"][0].lower() + first["msg"][1:]
    return JSONResponse({"detail": f"{name}={value}: {message}"}, 422)
