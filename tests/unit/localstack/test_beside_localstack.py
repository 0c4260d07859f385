"""This folder shares its name with LocalStack's own package: neither hides a module of the other."""

import importlib.util

from localstack.paths import ROOT

OURS = ROOT / "localstack"
# The modules and packages directly in `localstack` of localstack-core 4.14; LocalStack's paid edition adds `pro`.
# tests/localstack asks LocalStack itself.
THEIRS = {
    *("aws", "cli", "config", "constants", "deprecations", "dev", "dns", "extensions", "http", "logging", "openapi"),
    *("packages", "plugins", "pro", "runtime", "services", "state", "testing", "utils", "version"),
}


def test_no_module_has_the_name_of_one_of_localstacks() -> None:
    ours = {path.stem for path in OURS.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert len(ours) > 8
    assert not ours & THEIRS


def test_the_folder_is_no_package_that_ends_the_search_for_others() -> None:
    found = importlib.util.find_spec("localstack")
    assert found is not None
    assert found.origin is None
    assert not (OURS / "__init__.py").exists()
