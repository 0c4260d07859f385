"""What all tests share."""

import pytest
from hypothesis import settings

# In this order, one group of each: begun last, they would be what everybody waits for.
LONGEST = (
    "test_localstack.py",
    "test_strangers.py",
    "test_commands.py",
    "test_faults.py",
    "test_crash_points.py",
    "test_deliveries.py",
    "test_chaos.py",
    "test_restart.py",
)
# No deadline: a busy machine is not a bug. `--hypothesis-profile thorough` looks longer.
settings.register_profile("engine", deadline=None, max_examples=60)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile("engine")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps what shares the deployed stack in one process where the tests run in several: the API's, and all others."""
    for item in items:
        has_its_own = item.get_closest_marker("xdist_group") is not None
        if "stack" in getattr(item, "fixturenames", ()) and not has_its_own:
            item.add_marker(pytest.mark.xdist_group("api" if item.path.name.startswith("test_api_") else "stack"))
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))
