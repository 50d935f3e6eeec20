"""The HTTP API of a replica (FastAPI). All paths but /healthz require the bearer token."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Body, Depends, FastAPI, HTTPException, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from clickstream_contracts.serving_api import VARIANTS_PATH
from ray_apps.serving.metrics import MetricsByVariant
from ray_apps.serving.recommender import Recommender

MAX_ITEMS = 100
MAX_SESSION_ITEMS = 1000
MAX_ID_LENGTH = 200
UNAUTHORIZED = (
    "missing or wrong token: send the header `Authorization: Bearer TOKEN` "
    "with the token of the file that CLICKSTREAM_SERVE_TOKEN_FILE names"
)
TOP = "Maximum number of items in the response."
SEEN = "Whether the list may contain items that were just viewed."
USER_ID = "User id; it decides the variant of the rollout. Without it the stable variant responds."

Top = Annotated[int, Query(ge=1, le=MAX_ITEMS, description=TOP)]
Seen = Annotated[bool, Query(description=SEEN)]
# With `:path` in the route: an id may contain a slash.
IdInPath = Annotated[str, Path(min_length=1, max_length=MAX_ID_LENGTH)]
IdInBody = Annotated[str, Body(max_length=MAX_ID_LENGTH)]
Json = dict[str, Any]
ReadMetrics = Callable[[], Awaitable[MetricsByVariant]]


def build(recommender: Recommender, token: str, read_metrics: ReadMetrics) -> FastAPI:
    """Returns the application of one replica; `read_metrics` returns the variant metrics of all replicas."""
    # No /docs and /redoc: their pages load scripts from a public CDN. /openapi.json is served.
    app = FastAPI(title="Clickstream recommendations", version="1", docs_url=None, redoc_url=None)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    authorized = [Depends(_check_token(token))]

    # The handlers are CPU-bound and never wait: async handlers save the hop to FastAPI's thread pool.
    @app.get("/recommend/{user_id:path}", dependencies=authorized)
    async def recommend(user_id: IdInPath, k: Top = 20, seen: Seen = False) -> Json:
        """Recommend items for a user by the user's recent views.

        `fallback` in the response is empty if the model made the list; otherwise it is the reason for a fallback list.
        """
        return recommender.for_user(user_id, k, seen)

    @app.post("/recommend", dependencies=authorized)
    async def recommend_for_session(
        items: Annotated[list[IdInBody], Body(description="Product ids viewed, the newest last.", max_length=MAX_SESSION_ITEMS)],
        user_id: Annotated[str, Body(max_length=MAX_ID_LENGTH, description=USER_ID)] = "",
        k: Annotated[int, Body(ge=1, le=MAX_ITEMS, description=TOP)] = 20,
        seen: Annotated[bool, Body(description=SEEN)] = False,
    ) -> Json:
        """Recommend items for the views of a session; an empty session of a known user uses the user's recent views."""
        return recommender.for_session(items, user_id, k, seen)

    @app.get("/similar/{product_id:path}", dependencies=authorized)
    async def similar(product_id: IdInPath, k: Top = 20) -> Json:
        """List items that visitors view together with this one, with their co-visitation weight as `score`."""
        return recommender.similar(product_id, k)

    @app.get(VARIANTS_PATH, dependencies=authorized)
    async def variants() -> Json:
        """Metrics of the rollout's variants, summed over all replicas since each variant got its model."""
        return {"variants": await read_metrics()}

    @app.get("/healthz")
    async def healthz() -> Json:
        """Liveness of this replica, and the release that it serves."""
        return {"status": "ok", "release": recommender.router.state.pointer.release}

    return app


def _check_token(token: str) -> Callable[..., Awaitable[None]]:
    """Returns a dependency that answers 401 to requests without the token."""
    bearer = HTTPBearer(auto_error=False)

    async def check(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> None:
        if credentials is None or not hmac.compare_digest(credentials.credentials.encode(), token.encode()):
            raise HTTPException(401, UNAUTHORIZED, {"WWW-Authenticate": "Bearer"})

    return check


async def _invalid_request(request: Request, error: Exception) -> JSONResponse:
    """Returns 422 with one line about the first invalid value, e.g. `k='0': input should be greater than or equal to 1`."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    # The location is ("query", "k") or ("body", "items", 0).
    name = ".".join(str(step) for step in first["loc"][1:]) or "body"
    value = repr(first.get("input"))[:100]
    message = first["msg"][0].lower() + first["msg"][1:]
    return JSONResponse({"detail": f"{name}={value}: {message}"}, 422)
