"""What a view changes: a user's list before and after it, as a shop's page asks for it. `python -m tools.rollout.recommend --help`."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import cycle
from statistics import quantiles
from typing import Annotated, Any

import httpx
import numpy as np
import typer
from confluent_kafka import KafkaException

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tools.common.command import UsageError, current_settings, report_errors, run_app
from tools.kafka.producer import Records, Sender, SendError
from tools.lake import catalog
from tools.ledger.journal import Journal
from tools.ledger.record_kinds import REPLAYED
from tools.rollout import check as arms

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=False)
POLL_SECONDS, PATIENCE_SECONDS = 0.01, 10.0
# The longest list: a view of a product with few neighbours may leave the first places as they were.
MOST = 100


class NoChange(RuntimeError):
    """A list stayed as it was; the text says whose."""


@dataclass(frozen=True)
class Change:
    """A user's list before and after a view, as product names, and the milliseconds from the view to the new list."""

    user: str
    viewed: str
    before: list[str]
    after: list[str]
    milliseconds: float
    answer: dict[str, Any]


@dataclass
class Shopper:
    """Looks at products and at lists, as the shop's page does for a user."""

    settings: Settings
    serve: httpx.Client
    sender: Sender
    products: dict[str, dict[str, Any]]
    sent: int = 0

    def asked(self, user: str, k: int) -> dict[str, Any]:
        """The user's list now, with all that the answer says of itself."""
        answer = self.serve.get(f"/recommend/{user}", params={"k": k})
        answer.raise_for_status()
        return dict(answer.json())

    def knows(self, product: str) -> bool:
        """Whether the release has neighbours of the product."""
        answer = self.serve.get(f"/similar/{product}", params={"k": 1})
        answer.raise_for_status()
        return not answer.json()["fallback"]

    def view(self, user: str, product: str) -> None:
        """The user opens a product's page; returns when Kafka has it."""
        event_id = f"{self.sender.journal.path.name}-{self.sent}"
        self.sender.send(Records([event_id], [REPLAYED], [user.encode()], [_event(event_id, user, self.products[product])]), [self.sent])
        self.sender.flush()
        self.sent += 1

    def change(self, user: str, product: str, k: int) -> Change:
        """One view and what it changed. Raises NoChange if the list is still the same after PATIENCE_SECONDS."""
        before, begin = _ids(self.asked(user, MOST)), time.monotonic()
        self.view(user, product)
        while (after := _ids(answer := self.asked(user, MOST))) == before:
            if time.monotonic() - begin > PATIENCE_SECONDS:
                raise NoChange(f"the list of {user} is the same {PATIENCE_SECONDS:.0f} s after a view of {product}; see `make doctor`")
            time.sleep(POLL_SECONDS)
        passed = round(1000 * (time.monotonic() - begin), 1)
        about = {name: answer[name] for name in ("release", "model", "arm", "fallback")}
        return Change(user, self._name(product), [*map(self._name, before[:k])], [*map(self._name, after[:k])], passed, about)

    def _name(self, product: str) -> str:
        return str(self.products.get(product, {}).get("name") or product)


def _ids(answer: dict[str, Any]) -> list[str]:
    return [item["id"] for item in answer["items"]]


def _event(event_id: str, user: str, product: dict[str, Any]) -> bytes:
    who = {"event_id": event_id, "user_id": user, "session_id": user, "schema_version": names.EVENT_VERSION}
    what = {"event_type": "view_item", "product_id": product["product_id"], "quantity": 1, "currency": product["currency"]}
    return json.dumps(who | what | {"price": float(product["list_price"]), "event_time": int(time.time() * 1000)}).encode()


def changes(settings: Settings, users: int, views: int, k: int, seed: int) -> Iterator[Change]:
    """`views` views by each of the users who came last, of products that shoppers of theirs look at."""
    seen = _last_views(settings, users)
    products = {row["product_id"]: row for row in catalog.connect(settings).load_table("landing.products").scan().to_arrow().to_pylist()}
    pool = sorted({product for product in seen["product_id"] if product in products})
    if not pool:
        raise UsageError("main's raw.clicks holds no view of a known product and user: run `make demo` first")
    with arms.client(settings) as serve, Journal(settings, f"shopper_{time.time_ns()}", {"users": users, "views": views}) as journal:
        shopper = Shopper(settings, serve, Sender(settings, journal), products)
        products_known = _known(shopper, [str(one) for one in np.random.default_rng(seed).permutation(pool)])
        for user in list(dict.fromkeys(seen["user_id"]))[:users]:
            for _ in range(views):
                yield shopper.change(user, next(products_known), k)


def _known(shopper: Shopper, pool: list[str]) -> Iterator[str]:
    """Those of the pool that the release knows, again and again: a product that it has never seen changes no list."""
    known = []
    for product in pool:
        if shopper.knows(product):
            known.append(product)
            yield product
    if not known:
        raise NoChange("the release knows none of the products that were viewed last: wait for the next one, or see `make doctor`")
    yield from cycle(known)


def _last_views(settings: Settings, users: int) -> dict[str, list[Any]]:
    """Users and products of the newest views, the newest first."""
    views = "event_type = 'view_item' and user_id is not null and product_id is not null"
    columns = ("user_id", "product_id", "event_time")
    table = catalog.connect(settings).load_table("raw.clicks").scan(row_filter=views, selected_fields=columns).to_arrow()
    return dict(table.sort_by([("event_time", "descending"), ("user_id", "ascending")]).slice(0, 200 * users).to_pydict())


@app.command()
@report_errors(NoChange, SendError, KafkaException, httpx.HTTPError)
def recommend(
    users: Annotated[int, typer.Option(min=1, help="How many users, those who came last.")] = 3,
    views: Annotated[int, typer.Option(min=1, help="Views of each.")] = 1,
    k: Annotated[int, typer.Option(min=1, max=100, help="Length of the lists.")] = 5,
    seed: Annotated[int, typer.Option(help="The same seed views the same products.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Let users view products, and print their lists before and after, and how long the change took."""
    found = []
    for change in changes(current_settings(), users, views, k, seed):
        found.append(change)
        if not as_json:
            typer.echo(words(change))
    times = percentiles([change.milliseconds for change in found])
    if as_json:
        typer.echo(json.dumps({"changes": [asdict(change) for change in found], "milliseconds": times}, indent=1))
    else:
        typer.echo(f"from the view to the new list: p50 {times['p50']:.0f} ms, p99 {times['p99']:.0f} ms")


def words(change: Change) -> str:
    """A change for people."""
    by = change.answer["fallback"] or change.answer["release"]
    return "\n".join(
        [
            f"{change.user} looks at {change.viewed} ({change.milliseconds:.0f} ms, {by})",
            f"  before: {', '.join(change.before) or 'nothing'}",
            f"  after:  {', '.join(change.after) or 'nothing'}",
        ]
    )


def percentiles(values: list[float]) -> dict[str, float]:
    """Median and 99th percentile."""
    if len(values) == 1:
        return {"p50": values[0], "p99": values[0]}
    cuts = quantiles(values, n=100, method="inclusive")
    return {"p50": round(cuts[49], 1), "p99": round(cuts[98], 1)}


if __name__ == "__main__":
    run_app(app)
