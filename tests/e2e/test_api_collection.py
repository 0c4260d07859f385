"""The Bruno collection in docs/api/bruno runs against the deployed stack, request by request."""

from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from docs.api.openapi import OPERATIONS
from localstack.stack_for_tests import Stack
from tests.e2e.bruno import Runner, read, variables

COLLECTION = Path(__file__).resolve().parents[2] / "docs" / "api" / "bruno"


async def test_every_request_of_the_collection_is_answered_as_it_says(stack: Stack) -> None:
    requests = sorted((read(path) for path in COLLECTION.glob("*.bru")), key=lambda request: request.order)
    assert [request.order for request in requests] == list(range(1, len(requests) + 1))
    statuses: Counter[int] = Counter()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:
        known = {**variables(COLLECTION / "environments" / "local.bru"), "baseUrl": stack.base_url}
        runner = Runner(http, known)
        for request in requests:
            statuses[await runner.run(request)] += 1
    assert not runner.failures, "\n".join(runner.failures)
    assert {200, 202, 400, 404, 409, 422, 426} <= statuses.keys()


def test_every_call_for_programs_is_in_the_collection() -> None:
    urls = [read(path).url for path in COLLECTION.glob("*.bru")]
    for operation in OPERATIONS:
        if operation.path not in ("/", "/docs"):
            path = operation.path.replace("{order_id}", "{{orderId}}")
            assert any(url.partition("?")[0].removeprefix("{{baseUrl}}") == path for url in urls), operation.path


@pytest.mark.parametrize("path", sorted(COLLECTION.glob("*.bru")), ids=lambda path: path.stem)
def test_every_request_asserts_its_status(path: Path) -> None:
    assert any(name == "res.status" for name, _ in read(path).asserts)
