"""The watcher on a database against brute force: each order fires at the first second at which it may."""

from functools import partial

from tests.benchmarks.oracle import check, on_postgres


def test_each_order_fires_at_the_first_second_that_pays_its_limit_for_its_full_size(database_url: str) -> None:
    # 10,000 orders over 3,600 seconds: python -m tests.benchmarks.oracle --postgres
    counted = check(60, 60, 4, partial(on_postgres, url=database_url))
    assert counted["at the first second that pays"]
    assert counted["never paid"]
