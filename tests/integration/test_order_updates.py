"""What an order's life costs Postgres: whoever indexes a column that every write changes undoes it."""

from tests.benchmarks.order_updates import writes_of

ORDERS = 200


def test_updates_that_do_not_change_the_status_touch_no_index(database_url: str) -> None:
    tables, _ = writes_of(database_url, ORDERS)
    orders, attention = tables["orders"], tables["order_attention"]
    assert orders.updates / ORDERS == 5, "the claim with the first move, three more, the signature"
    # The four moves change an indexed column; now and then a page is full.
    assert orders.hot_share > 0.9 * 1 / 5
    assert (attention.inserts, attention.deletes) == (ORDERS, ORDERS), "none is left where nobody is to be told"
    assert attention.updates / ORDERS <= 1
