"""The HTTP interface. Whoever knows the token may ask; /healthz is open."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Body, Depends, FastAPI, HTTPException, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ray_apps.serving.recommender import Recommender

MOST = 100
LONGEST_ID = 200

K = Annotated[int, Query(ge=1, le=MOST, description="How many items.")]
Seen = Annotated[bool, Query(description="Whether items that were just viewed may be in the list.")]
Id = Annotated[str, Path(max_length=LONGEST_ID)]
ShortId = Annotated[str, Body(max_length=LONGEST_ID)]
Answer = dict[str, Any]
Tallies = Callable[[], Awaitable[dict[str, Any]]]


def build(recommender: Recommender, token: str, tallies: Tallies) -> FastAPI:
    """The application of one replica; `tallies` asks all of them."""
    # FastAPI's pages about the interface would load scripts from a stranger's host; the description itself is served.
    app = FastAPI(title="Clickstream recommendations", version="1", docs_url=None, redoc_url=None)
    app.add_exception_handler(RequestValidationError, _refuse)
    known = [Depends(_door(token))]

    # The handlers compute and never wait, so a thread for each would only add to their time.
    @app.get("/recommend/{user_id}", dependencies=known)
    async def recommend(user_id: Id, k: K = 20, seen: Seen = False) -> Answer:
        """Items for a user, by what the user viewed last."""
        return recommender.for_user(user_id, k, seen)

    @app.post("/recommend", dependencies=known)
    async def recommend_after(
        items: Annotated[list[ShortId], Body(description="Products viewed, the newest last.", max_length=1000)],
        user_id: ShortId = "",
        k: Annotated[int, Body(ge=1, le=MOST)] = 20,
        seen: Annotated[bool, Body()] = False,
    ) -> Answer:
        """Items for a session, by what was viewed in it."""
        return recommender.for_session(items, user_id, k, seen)

    @app.get("/similar/{product_id}", dependencies=known)
    async def similar(product_id: Id, k: K = 20) -> Answer:
        """Items that visitors view together with this one, and how near they are."""
        return recommender.similar(product_id, k)

    @app.get("/arms", dependencies=known)
    async def arms() -> Answer:
        """What the arms of the rollout did since each got its model."""
        return {"arms": await tallies()}

    @app.get("/healthz")
    async def healthz() -> Answer:
        """Whether this replica answers, and by which release."""
        return {"status": "ok", "release": recommender.arms.standing.pointer.release}

    return app


def _door(token: str) -> Callable[..., Awaitable[None]]:
    bearer = HTTPBearer(auto_error=False)

    async def check(given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> None:
        if given is None or not hmac.compare_digest(given.credentials.encode(), token.encode()):
            said = "send the header `Authorization: Bearer TOKEN` with the token of the file that CLICKSTREAM_SERVE_TOKEN_FILE names"
            raise HTTPException(401, said, {"WWW-Authenticate": "Bearer"})

    return check


async def _refuse(request: Request, error: Exception) -> JSONResponse:
    """One line for what is wrong with a request, the value in it."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"][1:]) or "body"
    given = repr(first.get("input"))[:100]
    return JSONResponse({"detail": f"{name}={given}: {first['msg'][0].lower()}{first['msg'][1:]}"}, 422)
