"""Users and products from CSV files: columns are read by name, and an unusable file is reported in one line."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tools.common.command import UsageError
from tools.lake.master_data import PRODUCTS, USERS, app, read_csv


def test_users_and_products_have_the_types_of_the_tables(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("segment,user_id,updated_at\nvip,u1,2026-01-01T10:00:00Z\n,u2,2026-01-02T00:00:00Z\n")
    users = read_csv(tmp_path / "users.csv", USERS).to_pylist()
    assert users[0] == {"segment": "vip", "user_id": "u1", "updated_at": datetime(2026, 1, 1, 10, tzinfo=UTC)}
    assert users[1]["segment"] is None
    (tmp_path / "products.csv").write_text("product_id,list_price\n007,19.9\n")
    [product] = read_csv(tmp_path / "products.csv", PRODUCTS).to_pylist()
    assert (product["product_id"], product["list_price"]) == ("007", Decimal("19.90"))
    assert product["updated_at"] == datetime(2000, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,country\n1,DE\n", "landing.users: unknown column 'id': rename it to one of user_id, country"),
        ("country\nDE\n", "no column 'user_id'"),
        ("user_id,updated_at\nu1,yesterday\n", "column updated_at"),
        ("", "cannot be read as CSV"),
    ],
)
def test_the_error_names_the_file_and_the_column(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "f.csv").write_text(content)
    with pytest.raises(UsageError, match=message):
        read_csv(tmp_path / "f.csv", USERS)


def test_no_file_is_a_usage_error() -> None:
    done = CliRunner().invoke(app, [])
    assert (done.exit_code, done.stderr.strip()) == (2, "error: nothing to load: give --users FILE or --products FILE")


def test_an_unreachable_lake_is_reported_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("k")
    for name, value in {
        "NESSIE_URI": "http://127.0.0.1:1",
        "S3_ACCESS_KEY_FILE": tmp_path / "key",
        "S3_SECRET_KEY_FILE": tmp_path / "key",
    }.items():
        monkeypatch.setenv(f"CLICKSTREAM_{name}", str(value))
    (tmp_path / "f.csv").write_text("user_id\nu1\n")
    done = CliRunner().invoke(app, ["--users", str(tmp_path / "f.csv")])
    assert done.exit_code == 1
    assert done.stderr.startswith("error: the lake is unreachable")
    assert len(done.stderr.splitlines()) == 1
