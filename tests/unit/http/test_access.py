"""The access table: who may call what, for every route that there is."""

import pytest

import app
from chalicelib.http import access as access_table
from chalicelib.http.access import ROUTES, route_access
from tests.unit.http.service import Service


def test_every_route_has_an_entry_and_every_entry_a_route() -> None:
    routes = {(method, path) for path, methods in app.app.routes.items() for method in methods}
    assert {route for route in routes if route_access(*route) is None} == set()
    assert set(ROUTES) == {(method, path) for method, path in routes if method in ("GET", "POST", "PATCH")}
    assert route_access("GET", "/of/tomorrow") is None
    assert route_access("OPTIONS", "/of/tomorrow") is None


def test_a_route_without_an_entry_answers_401(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    assert service.call("GET", "/api/orders").status == 200
    without = {route: access for route, access in ROUTES.items() if route != ("GET", "/api/orders")}
    monkeypatch.setattr(access_table, "ROUTES", without)
    refused = service.call("GET", "/api/orders")
    assert (refused.status, refused.body["code"]) == (401, "unauthenticated")
