"""The Airflow UI in a headless browser: sign in, and trigger a nightly run with the form."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from clickstream_contracts import names
from tests.shop_day import Shop, eventually

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
DAY = "2026-04-02"

pytestmark = pytest.mark.skipif(BROWSER is None, reason="chromium is not installed, and the test needs it")


@pytest.fixture(scope="module")
def console_errors() -> list[str]:
    """Errors in the browser's console since the login."""
    return []


@pytest.fixture(scope="module")
def page(shop: Shop, console_errors: list[str]) -> Iterator[Page]:
    """A signed-in page of the running Airflow."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.set_default_timeout(90_000)
        page.goto(shop.airflow.base)
        page.fill('input[name="username"]', "admin")
        page.fill('input[name="password"]', shop.password)
        page.keyboard.press("Enter")
        page.get_by_text("Dags").first.wait_for()
        page.on("console", lambda message: console_errors.append(message.text) if message.type == "error" else None)
        yield page
        browser.close()


def test_no_dag_has_an_import_error(shop: Shop) -> None:
    assert shop.airflow.call("GET", "/importErrors")["import_errors"] == []
    assert shop.airflow.call("GET", "/plugins/importErrors")["import_errors"] == []


@pytest.mark.parametrize("dag_id", [names.STREAMS, names.NIGHTLY])
def test_each_dag_has_docs_and_tags(shop: Shop, dag_id: str) -> None:
    details = shop.airflow.call("GET", f"/dags/{dag_id}/details")
    assert details["doc_md"]
    assert details["tags"]


def test_the_error_for_a_wrong_parameter_names_it(shop: Shop) -> None:
    from tools.localstack.airflow_api import AirflowError

    with pytest.raises(AirflowError, match=r"400.*day"):
        shop.airflow.trigger(names.NIGHTLY, {"day": "yesterday"})
    with pytest.raises(AirflowError, match=r"400.*rebuild"):
        shop.airflow.trigger(names.NIGHTLY, {"rebuild": "perhaps"})


def test_a_nightly_run_is_triggered_with_the_form(shop: Shop, page: Page, console_errors: list[str], tmp_path: Path) -> None:
    shop.airflow.unpause(names.NIGHTLY)
    state, tags = shop.curated_state(), shop.references("TAG")
    before = {run["dag_run_id"] for run in shop.runs(names.NIGHTLY)}
    page.goto(f"{shop.airflow.base}/dags/{names.NIGHTLY}")
    page.get_by_role("button", name="Trigger").first.click()
    page.locator("#element_day").fill(DAY)
    page.screenshot(path=tmp_path / "form.png")
    page.get_by_role("button", name="Trigger", exact=True).last.click()
    eventually(lambda: len(shop.runs(names.NIGHTLY)) > len(before), "the run exists")
    [run] = [run for run in shop.runs(names.NIGHTLY) if run["dag_run_id"] not in before]
    assert run["conf"]["day"] == DAY
    shop.finish(names.NIGHTLY, run["dag_run_id"])
    # No event arrived since the last nightly run, so there is nothing to publish.
    assert shop.task_state(run["dag_run_id"], "merge") == "skipped"
    assert (shop.curated_state(), shop.references("TAG")) == (state, tags)
    page.goto(f"{shop.airflow.base}/dags/{names.NIGHTLY}/runs/{run['dag_run_id']}")
    page.get_by_text("wait_for_lake").first.wait_for()
    page.screenshot(path=tmp_path / "run.png")
    assert console_errors == []


def test_the_api_rejects_requests_without_a_login(shop: Shop) -> None:
    import httpx

    assert httpx.get(f"{shop.airflow.base}/api/v2/dags", timeout=30).status_code == 401
