"""A task succeeds with its app's receipt, and with nothing else."""

import json
from dataclasses import asdict
from typing import Any, Self

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_exponential

from clickstream_contracts import names
from clickstream_contracts.receipt import Receipt, ReceiptError
from clickstream_contracts.settings import Settings

SAMPLE_LINES = 40


def _passes_by_itself(error: BaseException) -> bool:
    return isinstance(error, OSError) and not isinstance(error, PermissionError)


class ReceiptStore:
    """Receipts in the lake's bucket, by their key."""

    def __init__(self, files: Any, bucket: str) -> None:
        self._files = files
        self._bucket = bucket

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        # Imported here because every Airflow process imports this module and only running tasks read receipts.
        from pyarrow.fs import S3FileSystem

        access_key, secret_key = settings.s3_credentials()
        place = {"endpoint_override": settings.s3_endpoint, "region": settings.s3_region}
        return cls(S3FileSystem(access_key=access_key, secret_key=secret_key, **place), settings.s3_bucket)

    def uri(self, key: str) -> str:
        """Where an app must write the receipt `key`."""
        return f"s3://{self._bucket}/{key}"

    def forget(self, key: str) -> None:
        """Delete the receipt, so that what is found later was written later."""
        if self._text(key) is not None:
            self._files.delete_file(f"{self._bucket}/{key}")

    def read(self, key: str) -> Receipt | None:
        """The receipt, or None if there is none. Raises ReceiptError if what is there is no receipt."""
        text = self._text(key)
        return None if text is None else Receipt.from_json(text)

    # The work is done by now: a store that is busy or coming up again must not cost it.
    @retry(retry=retry_if_exception(_passes_by_itself), stop=stop_after_attempt(8), wait=wait_exponential(max=15), reraise=True)
    def _text(self, key: str) -> str | None:
        try:
            with self._files.open_input_file(f"{self._bucket}/{key}") as file:
                return bytes(file.read()).decode(errors="replace")
        except FileNotFoundError:
            return None


class ReceiptMixin(BaseOperator):
    """Placed before an operator that runs an app: hands it `--receipt URI`, then judges the task by what the app wrote there."""

    def add_arguments(self, arguments: list[str]) -> None:
        """Append to the app's arguments, and drop those that rendered to nothing."""
        raise NotImplementedError

    def execute(self, context: Context) -> None:
        """Run the app and push its receipt."""
        store, key = ReceiptStore.from_settings(Settings.from_env()), receipt_key(context)
        store.forget(key)
        self.add_arguments(["--receipt", store.uri(key)])
        try:
            super().execute(context)
        except AirflowException as error:
            self._judge(store, key, context, error)
        else:
            self._judge(store, key, context, None)

    def _judge(self, store: ReceiptStore, key: str, context: Context, failure: AirflowException | None) -> None:
        receipt = self._read(store, key)
        if receipt is None:
            raise failure or AirflowFailException(f"{self.task_id} ended well but wrote no receipt to {store.uri(key)}: not believed")
        # Pushed by hand: the providers' operators differ in what becomes of a return value.
        context["ti"].xcom_push("return_value", asdict(receipt))
        self._log_samples(receipt)
        # Bad rows are there the next time too; an app that broke down may do better then.
        if receipt.error and any(found.get("sample") for found in failures(receipt)):
            raise AirflowFailException(f"{receipt.app}: {receipt.error}")
        if receipt.error:
            raise AirflowException(f"{receipt.app}: {receipt.error}")
        if failure is not None:
            raise failure

    def _read(self, store: ReceiptStore, key: str) -> Receipt | None:
        try:
            return store.read(key)
        except ReceiptError as error:
            raise AirflowFailException(f"{store.uri(key)}: {error}") from None

    def _log_samples(self, receipt: Receipt) -> None:
        for found in failures(receipt):
            lines = json.dumps(found, indent=1, default=str).splitlines()
            self.log.error("%s", "\n".join(lines[:SAMPLE_LINES]))


def failures(receipt: Receipt) -> list[dict[str, Any]]:
    """What an app judged to be wrong: name, meaning and sample rows; a question that broke down has none of these rows."""
    return list(receipt.facts.get("failures", []))


def receipt_key(context: Context) -> str:
    """The key of this try's receipt."""
    ti = context["ti"]
    return names.receipt_key(ti.dag_id, ti.run_id, ti.task_id, ti.try_number)
