"""What Airflow imports from the plugins folder."""

import sys

from airflow import plugins_manager

from tests.plugins.environment import ROOT


def test_airflow_imports_the_plugin_and_no_module_under_a_bare_name() -> None:
    plugin_names = [plugin.name for plugin in plugins_manager._get_plugins()[0]]
    assert "clickstream" in plugin_names
    assert plugins_manager.get_import_errors() == {}
    files = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}
    plugin_modules = {name for name, file in files.items() if file.startswith(f"{ROOT}/plugins/")}
    assert {name for name in plugin_modules if not name.startswith("clickstream")} == set()
