"""Asks for the recommendations of users before and after a product view, and measures how long the change takes."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import cycle
from statistics import quantiles
from typing import Annotated, Any

import numpy as np
import typer
from confluent_kafka import KafkaException

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tools.common.command import UsageError, current_settings, new_app, report_errors, run_app
from tools.kafka.client import SendError
from tools.kafka.producer import Records, Sender
from tools.lake.catalog import open_catalog
from tools.ledger.journal import Journal
from tools.ledger.record_kinds import REPLAYED
from tools.rollout.serve_client import ServeClient, ServeError

app = new_app(__doc__)
POLL_SECONDS, TIMEOUT_SECONDS = 0.01, 10.0
# Lists are compared at their maximum length: a view of a product with few neighbours may leave the first places unchanged.
MAX_LIST_LENGTH = 100
# Newest views that are read for each user, to find enough users and products.
VIEWS_PER_USER = 200


class NoChange(RuntimeError):
    """A list did not change after a view, or no product is known to the release; the text says which."""


@dataclass(frozen=True)
class Change:
    """A user's list before and after a view, as product names, and the milliseconds from the view to the new list."""

    user: str
    viewed: str
    before: list[str]
    after: list[str]
    milliseconds: float
    response: dict[str, Any]


@dataclass
class ShopPage:
    """Does what the page of a shop does for a user: sends product views to Kafka and asks Ray Serve for lists."""

    settings: Settings
    serve: ServeClient
    sender: Sender
    products: dict[str, dict[str, Any]]
    events_sent: int = 0

    def is_known_to_release(self, product: str) -> bool:
        """Returns whether the served release has neighbours of the product."""
        return not self.serve.get_by_id("/similar", product, k=1)["fallback"]

    def view(self, user: str, product: str) -> None:
        """Send a view of a product and wait for the acknowledgement."""
        event_id = f"{self.sender.journal.path.name}-{self.events_sent}"
        event = _view_event(event_id, user, self.products[product])
        self.sender.send(Records([event_id], [REPLAYED], [user.encode()], [event]), [self.events_sent])
        self.sender.flush()
        self.events_sent += 1

    def change(self, user: str, product: str, k: int) -> Change:
        """Send a view and wait until the user's list differs. Raises NoChange after TIMEOUT_SECONDS."""
        before = _product_ids(self._recommendations(user))
        started = time.monotonic()
        self.view(user, product)
        response = self._recommendations(user)
        while _product_ids(response) == before:
            if time.monotonic() - started > TIMEOUT_SECONDS:
                raise NoChange(
                    f"the list of user {user} did not change within {TIMEOUT_SECONDS:.0f} s after a view of {product};"
                    " run `./clickstream stack doctor`"
                )
            time.sleep(POLL_SECONDS)
            response = self._recommendations(user)
        milliseconds = round(1000 * (time.monotonic() - started), 1)
        after = _product_ids(response)
        return Change(
            user=user,
            viewed=self._product_name(product),
            before=[self._product_name(product_id) for product_id in before[:k]],
            after=[self._product_name(product_id) for product_id in after[:k]],
            milliseconds=milliseconds,
            response={name: response[name] for name in ("release", "model", "variant", "fallback")},
        )

    def _recommendations(self, user: str) -> dict[str, Any]:
        return self.serve.get_by_id("/recommend", user, k=MAX_LIST_LENGTH)

    def _product_name(self, product: str) -> str:
        return str(self.products.get(product, {}).get("name") or product)


def _product_ids(response: dict[str, Any]) -> list[str]:
    return [item["id"] for item in response["items"]]


def _view_event(event_id: str, user: str, product: dict[str, Any]) -> bytes:
    event = {
        "event_id": event_id,
        "user_id": user,
        "session_id": user,
        "schema_version": names.EVENT_VERSION,
        "producer": "recommend",
        "event_type": "view_item",
        "product_id": product["product_id"],
        "quantity": 1,
        "currency": product["currency"],
        "price": float(product["list_price"]),
        "event_time": int(time.time() * 1000),
    }
    return json.dumps(event).encode()


def changes(settings: Settings, users: int, views: int, k: int, seed: int) -> Iterator[Change]:
    """Yields the changes of `views` views by each of the `users` newest users, of products that were viewed recently."""
    newest = _newest_views(settings, users)
    products = {row["product_id"]: row for row in open_catalog(settings).load_table("landing.products").scan().to_arrow().to_pylist()}
    candidates = sorted({product for product in newest["product_id"] if product in products})
    if not candidates:
        raise UsageError("raw.clicks on main has no product view of a signed-in user: run `./clickstream demo` first")
    shuffled = [str(product) for product in np.random.default_rng(seed).permutation(candidates)]
    metadata = {"users": users, "views": views}
    with ServeClient(settings) as serve, Journal(settings, f"recommend_{time.time_ns()}", metadata) as journal:
        page = ShopPage(settings, serve, Sender(settings, journal), products)
        viewed_products = _known_products(page, shuffled)
        for user in list(dict.fromkeys(newest["user_id"]))[:users]:
            for _ in range(views):
                yield page.change(user, next(viewed_products), k)


def _known_products(page: ShopPage, candidates: list[str]) -> Iterator[str]:
    """Yields the candidates that the release knows, again and again: a view of an unknown product changes no list."""
    known_products = []
    for product in candidates:
        if page.is_known_to_release(product):
            known_products.append(product)
            yield product
    if not known_products:
        raise NoChange(
            "the served release knows none of the products that were viewed last: wait for the next rollout,"
            " or run `./clickstream stack doctor`"
        )
    yield from cycle(known_products)


def _newest_views(settings: Settings, users: int) -> dict[str, list[Any]]:
    """Returns users and products of the newest product views of signed-in users, the newest first."""
    row_filter = "event_type = 'view_item' and user_id is not null and product_id is not null"
    columns = ("user_id", "product_id", "event_time")
    views = open_catalog(settings).load_table("raw.clicks").scan(row_filter=row_filter, selected_fields=columns).to_arrow()
    newest_first = views.sort_by([("event_time", "descending"), ("user_id", "ascending")])
    return dict(newest_first.slice(0, VIEWS_PER_USER * users).to_pydict())


@app.command()
@report_errors(NoChange, SendError, KafkaException, ServeError)
def recommend(
    users: Annotated[int, typer.Option(min=1, help="Number of users, the newest in the lake.")] = 3,
    views: Annotated[int, typer.Option(min=1, help="Product views of each user.")] = 1,
    k: Annotated[int, typer.Option(min=1, max=MAX_LIST_LENGTH, help="Length of the printed lists.")] = 5,
    seed: Annotated[int, typer.Option(help="The same seed views the same products.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Send product views of users, and print their recommendations before and after and how long the change took."""
    results = []
    for change in changes(current_settings(), users, views, k, seed):
        results.append(change)
        if not as_json:
            typer.echo(describe(change))
    times = percentiles([change.milliseconds for change in results])
    if as_json:
        typer.echo(json.dumps({"changes": [asdict(change) for change in results], "milliseconds": times}, indent=1))
    else:
        typer.echo(f"from the view to the new list: p50 {times['p50']:.0f} ms, p99 {times['p99']:.0f} ms")


def describe(change: Change) -> str:
    """Returns a change as three lines of text."""
    source = change.response["fallback"] or change.response["release"]
    return "\n".join(
        [
            f"{change.user} views {change.viewed} ({change.milliseconds:.0f} ms, {source})",
            f"  before: {', '.join(change.before) or 'nothing'}",
            f"  after:  {', '.join(change.after) or 'nothing'}",
        ]
    )


def percentiles(values: list[float]) -> dict[str, float]:
    """Returns the median and the 99th percentile."""
    if len(values) == 1:
        return {"p50": values[0], "p99": values[0]}
    percents = quantiles(values, n=100, method="inclusive")
    return {"p50": round(percents[49], 1), "p99": round(percents[98], 1)}


if __name__ == "__main__":
    run_app(app)
