"""The Bruno collection asks for every operation, in an order without gaps; tests/e2e/test_api.py sends it."""

from docs.api.operations import OPERATIONS
from tests.e2e.bruno import read
from tests.e2e.test_api import COLLECTION, PAGES
from tests.unit.http.specification import pattern_of


def test_its_requests_are_numbered_one_after_the_other_as_their_files_are() -> None:
    numbers = [(read(path).order, int(path.name[:2])) for path in sorted(COLLECTION.glob("*.bru"))]
    assert numbers == [(number, number) for number in range(1, len(numbers) + 1)]


def test_it_has_a_request_for_every_operation() -> None:
    requests = [read(path) for path in COLLECTION.glob("*.bru")]
    paths = [request.url.partition("?")[0].replace("{{baseUrl}}", "") for request in requests]
    asked = {(request.method.upper(), pattern_of(path)) for request, path in zip(requests, paths, strict=True)}
    assert asked >= {(each.method, each.path) for each in OPERATIONS if each.path not in PAGES}
