"""Pages of what was launched."""

from datetime import timedelta

import pytest

from chalicelib.services.look_at_market import LAUNCHES_A_PAGE, LOOKS_BACK, launches
from tests.fakes.resting_desk import MemoryDesk


@pytest.mark.parametrize(("count", "more"), [(0, False), (LAUNCHES_A_PAGE, False), (LAUNCHES_A_PAGE + 1, True)])
def test_a_page_tells_where_the_next_goes_on(desk: MemoryDesk, count: int, more: bool) -> None:
    for number in range(count):
        desk.launch(age=number, pool=f"pool_{number}")
        desk.launch(age=number, pool=f"pool_{number}", event_id="evt_2")
    now = desk.clock.now()
    page = launches(now, None, market=desk.market)
    assert [launch.pool for launch in page.launches] == [f"pool_{n}" for n in range(min(count, LAUNCHES_A_PAGE))]
    last = now - timedelta(seconds=LAUNCHES_A_PAGE - 1)
    # Where all of this stretch of time fits, on with what is older; where there is nothing, that is the end.
    assert page.before == (last if more else now - LOOKS_BACK if count else None)
    following = launches(now, last, market=desk.market)
    assert len(following.launches) == more
