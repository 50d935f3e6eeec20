"""What Airflow sees of the plugins folder."""

import sys

from airflow import plugins_manager

from tests.plugins.environment import ROOT


def test_airflow_finds_the_plugin_and_imports_nothing_else_by_itself() -> None:
    found = [plugin.name for plugin in plugins_manager._get_plugins()[0]]
    assert "clickstream" in found
    assert plugins_manager.get_import_errors() == {}
    ours = {name for name, module in sys.modules.items() if (getattr(module, "__file__", None) or "").startswith(f"{ROOT}/plugins/")}
    assert {name for name in ours if not name.startswith("clickstream")} == set()
