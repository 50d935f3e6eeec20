"""The pause that ends a session is one value: no other file writes it as a literal."""

import re
from pathlib import Path

import pytest

from clickstream_contracts import sessions, sql_templates
from clickstream_contracts.sessions import PAUSE_MINUTES

ROOT = Path(__file__).parents[2]
PACKAGES = ("bench", "contracts", "dags", "flink_apps", "plugins", "ray_apps", "spark_apps", "tools")
NUMBER = str(PAUSE_MINUTES)
PAUSE = re.compile(
    rf"\b{NUMBER}['\"]?[ _]*min"  # INTERVAL '30' MINUTE, 30 min
    rf"|(minutes|gap|pause)\w*['\"]?(: int)?[,:= ]+{NUMBER}\b",  # minutes=30, gap_minutes: int = 30, get("gap_minutes", 30)
    re.IGNORECASE,
)


def files_about_sessions() -> list[Path]:
    paths = [path for package in PACKAGES for suffix in ("py", "sql") for path in (ROOT / package).rglob(f"*.{suffix}")]
    return [path for path in paths if "session" in path.read_text() and path != Path(sessions.__file__)]


def test_the_pause_stands_in_no_other_file() -> None:
    paths = files_about_sessions()
    assert len(paths) > 50
    assert [str(path.relative_to(ROOT)) for path in paths if PAUSE.search(path.read_text())] == []


@pytest.mark.parametrize(
    "text", ["INTERVAL 30 MINUTES", "INTERVAL '30' MINUTE", "minutes=30)", "gap_minutes: int = 30", 'get("session_gap_minutes", 30)']
)
def test_a_literal_is_recognised(text: str) -> None:
    assert PAUSE.search(text)


def test_the_contracts_name_the_pause() -> None:
    for table in ("curated.sessions", "features.training_sessions"):
        text = (ROOT / "contracts/clickstream_contracts/tables" / f"{table}.yaml").read_text()
        assert set(re.findall(r"(\d+) minutes", text)) == {str(PAUSE_MINUTES)}


def test_a_template_has_the_pause_as_an_interval() -> None:
    assert sql_templates.render_text("{{ session_pause }}", {}) == f"INTERVAL '{PAUSE_MINUTES}' MINUTE"
