"""What all tests share."""

import pytest
from hypothesis import settings

# No deadline: a busy machine is not a bug. `--hypothesis-profile thorough` looks longer.
settings.register_profile("engine", deadline=None, max_examples=60)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile("engine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps what shares the deployed stack in one process where the tests run in several."""
    for item in items:
        if "stack" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("stack"))
