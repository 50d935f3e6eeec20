"""Users and products from files: columns are read by name or by a mapping, and an unusable file is reported in one line."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from tools.common.command import UsageError
from tools.lake import master_data_files
from tools.lake.master_data import PRODUCTS, USERS, app
from tools.replay import mapping as mappings


def test_users_and_products_have_the_types_of_the_tables(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("segment,user_id,updated_at\nvip,u1,2026-01-01T10:00:00Z\n,u2,2026-01-02T00:00:00Z\n")
    users = master_data_files.read(tmp_path / "users.csv", USERS).to_pylist()
    assert users[0] == {"segment": "vip", "user_id": "u1", "updated_at": datetime(2026, 1, 1, 10, tzinfo=UTC)}
    assert users[1]["segment"] is None
    (tmp_path / "products.csv").write_text("product_id,list_price\n007,19.9\n")
    [product] = master_data_files.read(tmp_path / "products.csv", PRODUCTS).to_pylist()
    assert (product["product_id"], product["list_price"]) == ("007", Decimal("19.90"))
    assert product["updated_at"] == datetime(2000, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,country\n1,DE\n", "landing.users: unknown column 'id': rename it to one of user_id, country"),
        ("country\nDE\n", "no column 'user_id'"),
        ("user_id,updated_at\nu1,yesterday\n", "column updated_at"),
        ("", "the file has no line of data"),
    ],
)
def test_the_error_names_the_file_and_the_column(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "f.csv").write_text(content)
    with pytest.raises(UsageError, match=message):
        master_data_files.read(tmp_path / "f.csv", USERS)


def load(folder: Path, content: str, table: str, mapping: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    (folder / "f.csv").write_text(content)
    rules = None
    if mapping is not None:
        (folder / "own.yaml").write_text(yaml.safe_dump(mapping))
        rules = mappings.load_any(str(folder / "own.yaml"))
    states: list[dict[str, Any]] = master_data_files.read(folder / "f.csv", table, rules).to_pylist()
    return states


def test_texts_that_look_like_nothing_stay_texts(tmp_path: Path) -> None:
    users = load(tmp_path, "user_id,country,segment\nu-1,NA,returning\nu-2,DE,null\nNA,US,\n12001.0,GB,NULL\n", USERS)
    assert [(u["user_id"], u["country"], u["segment"]) for u in users] == [
        ("u-1", "NA", "returning"),
        ("u-2", "DE", "null"),
        ("NA", "US", None),
        ("12001", "GB", "NULL"),
    ]
    content = 'product_id,name,category,brand,list_price,currency\np-1,"Mug ""NaN""",cups,N/A,19.99,eur\np-2,NULL,cups,(none),5,EUR\n'
    products = load(tmp_path, content, PRODUCTS)
    assert [(p["name"], p["brand"], p["list_price"], p["currency"]) for p in products] == [
        ('Mug "NaN"', "N/A", Decimal("19.99"), "EUR"),
        ("NULL", "(none)", Decimal("5.00"), "EUR"),
    ]


@pytest.mark.parametrize(
    ("written", "deleted"), [("true", True), ("Yes", True), ("1", True), ("FALSE", False), ("no", False), ("0", False), ("", None)]
)
def test_a_product_may_be_deleted(tmp_path: Path, written: str, deleted: bool | None) -> None:
    [product] = load(tmp_path, f"product_id,updated_at,deleted\np-1,2026-01-02,{written}\n", PRODUCTS)
    assert product["deleted"] is deleted


def test_a_mapping_names_the_values_of_deleted_products(tmp_path: Path) -> None:
    def states(archived: object) -> list[dict[str, Any]]:
        mapping = {"products": {"product_id": "sku", "deleted": {"from": "state", "values": {"archived": archived, "*": False}}}}
        return load(tmp_path, "sku,state\na,archived\nb,draft\n", PRODUCTS, mapping)

    assert [state["deleted"] for state in states(True)] == [True, False]
    with pytest.raises(UsageError, match="line 2: column deleted: neither true nor false: 'gone'"):
        states("gone")


@pytest.mark.parametrize(
    ("written", "day", "hour"),
    [("2025-06-01", 1, 0), ("2025-06-01 10:00:00", 1, 10), ("2025-06-01T10:00:00Z", 1, 10), ("1748772000", 1, 10), ("20250601", 1, 0)],
)
def test_dates_are_read_as_those_of_events(tmp_path: Path, written: str, day: int, hour: int) -> None:
    [user] = load(tmp_path, f"user_id,signed_up_at\nu-1,{written}\n", USERS)
    assert user["signed_up_at"] == datetime(2025, 6, day, hour, tzinfo=UTC)


def test_a_name_may_have_a_line_break_and_a_price_with_float_noise_is_read(tmp_path: Path) -> None:
    [product] = load(tmp_path, 'product_id,name,list_price\np-1,"Mug, the\nlarge one",19.990000000000002\n', PRODUCTS)
    assert (product["name"], product["list_price"]) == ("Mug, the\nlarge one", Decimal("19.99"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("product_id,list_price\np-1,5\np-2,cheap\n", "line 3: column list_price: not a number: 'cheap'"),
        ("product_id,list_price\np-1,19.995\n", "line 2: column list_price: has more than 2 decimals: '?19.995"),
        ("product_id,list_price\np-1,1e20\n", "line 2: column list_price: out of range"),
        ("product_id,currency\np-1,EURO\n", "line 2: column currency: not a code of ISO 4217"),
        ("product_id,deleted\np-1,archived\n", "line 2: column deleted: not a yes or no: 'archived': write one of true, yes"),
        ("product_id,updated_at\np-1,9999999999999999999999999\n", "line 2: column updated_at: "),
        ("product_id,name\np-1,a\n,b\n", "line 3: product_id is empty"),
        ("product_id,name\np-1,a\np-1\n", "line 3: 1 values for 2 columns"),
        ("product_id,name\np-1,a\np-2,a\np-1,b\n", "line 4: product_id 'p-1' a second time with other values"),
    ],
)
def test_the_error_for_a_line_names_its_number(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(tmp_path, content, PRODUCTS)


def test_equal_lines_are_one_state(tmp_path: Path) -> None:
    assert len(load(tmp_path, "user_id,country\nu,DE\nu,DE\n", USERS)) == 1


SHOP_FILES = {
    "delimiter": ";",
    "zone": "Europe/Berlin",
    "placeholders": ["-"],
    "users": {
        "user_id": {"from": ["number", "mail"], "hash": "mail"},
        "country": {"from": "land", "optional": True},
        "segment": {"from": "group", "values": {"1": "retail", "2": "trade", "*": "other"}},
        "signed_up_at": {"from": "since", "time": "%d.%m.%Y", "optional": True},
    },
    "products": {
        "product_id": "sku",
        "name": {"from": ["title", "variant"], "join": ", ", "allow_missing": True},
        "list_price": "net",
        "currency": {"constant": "EUR"},
        "updated_at": "changed",
    },
}


def test_other_columns_are_read_by_a_mapping(tmp_path: Path) -> None:
    users = load(tmp_path, "number;mail;land;group;since\n12001.0;a@b.example;de;2;03.11.2025\n;a@b.example;-;7;\n", USERS, SHOP_FILES)
    assert users[0] == {
        "user_id": "12001", "country": "DE", "segment": "trade", "signed_up_at": datetime(2025, 11, 2, 23, tzinfo=UTC),
        "updated_at": datetime(2000, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    assert (len(users[1]["user_id"]), users[1]["country"], users[1]["segment"], users[1]["signed_up_at"]) == (64, None, "other", None)
    content = "sku;title;variant;net;changed;stock\nK-1;Mug;large;19.5;2025-11-03 10:00:00;7\nK-2;null;;3;2025-11-03;\n"
    products = load(tmp_path, content, PRODUCTS, SHOP_FILES)
    assert [(p["product_id"], p["name"], p["list_price"], p["currency"], p["updated_at"].hour) for p in products] == [
        ("K-1", "Mug, large", Decimal("19.50"), "EUR", 9),
        ("K-2", "null", Decimal("3.00"), "EUR", 23),
    ]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"users": {"country": "land"}}, "mapping own: users: user_id is missing"),
        ({"products": {"product_id": "sku"}}, "mapping own: users: user_id is missing"),
        ({"users": {"user_id": "nummer"}}, "no column 'nummer', which mapping own reads user_id from; the columns are id, land"),
        ({"users": {"user_id": "id", "colour": "c"}}, "users: unknown key 'colour'"),
        ({"users": ["id"]}, "key `fields` is missing"),
    ],
)
def test_the_error_for_a_wrong_mapping_names_what_is_missing(tmp_path: Path, mapping: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(tmp_path, "id,land\n1,DE\n", USERS, mapping)


def test_a_mapping_of_users_is_no_mapping_of_events(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(SHOP_FILES))
    with pytest.raises(UsageError, match="key `fields` is missing: a mapping of events needs"):
        mappings.load(str(tmp_path / "own.yaml"))


def test_a_mapping_is_read_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("id\n1\n")
    (tmp_path / "own.yaml").write_text("users: {user_id: number}")
    done = CliRunner().invoke(app, ["--users", str(tmp_path / "users.csv"), "--mapping", str(tmp_path / "own.yaml")])
    assert done.exit_code == 2
    assert "no column 'number', which mapping own reads user_id from" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_no_file_is_a_usage_error() -> None:
    done = CliRunner().invoke(app, [])
    assert (done.exit_code, done.stderr.strip()) == (2, "error: nothing to load: give --users FILE, --products FILE or --rates FILE")


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
