"""Receipts: the mixin that makes a task succeed only with a valid receipt of its app, and the store that holds receipts."""

import json
from dataclasses import asdict
from typing import Any, Self

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_exponential

from clickstream.hooks.object_store import s3_filesystem
from clickstream.task_names import receipt_key
from clickstream_contracts.receipt import Receipt, ReceiptError
from clickstream_contracts.settings import Settings

MAX_LOGGED_LINES = 40


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, OSError) and not isinstance(error, PermissionError)


class ReceiptStore:
    """Receipts in the bucket, by key."""

    def __init__(self, files: Any, bucket: str) -> None:
        self._files = files
        self._bucket = bucket

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(s3_filesystem(settings), settings.s3_bucket)

    def uri(self, key: str) -> str:
        """Returns the URI that an app must write its receipt to."""
        return f"s3://{self._bucket}/{key}"

    def delete(self, key: str) -> None:
        """Deletes the receipt if it exists, so that a receipt read later was written later."""
        if self._read_text(key) is not None:
            self._files.delete_file(f"{self._bucket}/{key}")

    def read(self, key: str) -> Receipt | None:
        """Returns the receipt, or None if it does not exist. Raises ReceiptError if the file is no valid receipt."""
        text = self._read_text(key)
        return None if text is None else Receipt.from_json(text)

    # The app has done its work by now: an overloaded or restarting object store must not fail the task.
    @retry(retry=retry_if_exception(_is_transient), stop=stop_after_attempt(8), wait=wait_exponential(max=15), reraise=True)
    def _read_text(self, key: str) -> str | None:
        try:
            with self._files.open_input_file(f"{self._bucket}/{key}") as file:
                return bytes(file.read()).decode(errors="replace")
        except FileNotFoundError:
            return None


class ReceiptMixin(BaseOperator):
    """Mixin before an operator that runs an app: adds `--receipt URI` to its arguments, and fails the task without a valid receipt."""

    def add_arguments(self, arguments: list[str]) -> None:
        """Appends to the app's arguments, and removes those that rendered to the empty string."""
        raise NotImplementedError

    def adopt(self, context: Context) -> int | None:
        """Returns the number of an earlier try whose job still runs and is followed by this try; None: this try starts the app."""
        return None

    def end_earlier_tries(self, receipt_uris: list[str]) -> None:
        """Ends what earlier tries left running; each of them writes the receipt at its URI of `receipt_uris`."""

    def execute(self, context: Context) -> None:
        """Runs the app and pushes its receipt as the task's return value."""
        store = ReceiptStore.from_settings(Settings.from_env())
        adopted_try = self.adopt(context)
        key = receipt_key(context["ti"], adopted_try or context["ti"].try_number)
        if adopted_try is None:
            self.end_earlier_tries([store.uri(receipt_key(context["ti"], number)) for number in range(1, context["ti"].try_number)])
            store.delete(key)
            self.add_arguments(["--receipt", store.uri(key)])
        failure = None
        try:
            super().execute(context)
        except AirflowException as error:
            failure = error
        self._check_receipt(store, key, context, failure)

    def _check_receipt(self, store: ReceiptStore, key: str, context: Context, failure: AirflowException | None) -> None:
        receipt = self._read(store, key)
        if receipt is None:
            if failure is not None:
                raise failure
            raise AirflowFailException(f"{self.task_id}: exit code 0 but no receipt at {store.uri(key)}; the task is failed")
        # Pushed explicitly: the providers' operators treat a return value of execute in different ways.
        context["ti"].xcom_push("return_value", asdict(receipt))
        failures = list(receipt.facts.get("failures", []))
        self._log_failures(failures)
        if receipt.error:
            # Rows that violate a rule are still there at the next try; an error without sample rows may be transient.
            has_sample_rows = any(failed_rule.get("sample") for failed_rule in failures)
            exception = AirflowFailException if has_sample_rows else AirflowException
            raise exception(f"{receipt.app}: {receipt.error}")
        if failure is not None:
            raise failure

    def _read(self, store: ReceiptStore, key: str) -> Receipt | None:
        try:
            return store.read(key)
        except ReceiptError as error:
            raise AirflowFailException(f"invalid receipt at {store.uri(key)}: {error}") from None

    def _log_failures(self, failures: list[dict[str, Any]]) -> None:
        for failed_rule in failures:
            lines = json.dumps(failed_rule, indent=1, default=str).splitlines()
            self.log.error("%s", "\n".join(lines[:MAX_LOGGED_LINES]))


def without_empty(arguments: list[str]) -> list[str]:
    """Returns the arguments without empty ones, which are templates of options that were not set."""
    return [argument for argument in arguments if argument]
