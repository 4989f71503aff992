"""One option for all tests, and a cache of its own for each."""

import os
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the files in tests/golden again")


@pytest.fixture(autouse=True, scope="session")
def no_cache_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What fixtures that outlive a test run, runs with an empty cache too."""
    for variable in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        os.environ[variable] = str(tmp_path_factory.mktemp(variable.lower()))


@pytest.fixture(autouse=True)
def no_cache_of_other_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No verdict comes from another test. The folder is beside the test's own, which some tests list."""
    for variable in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path.with_name(f"{tmp_path.name}_{variable.lower()}")))
