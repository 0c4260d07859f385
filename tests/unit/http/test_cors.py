"""Pages of other origins: what AllowedOrigins lets them read, on every answer."""

import pytest

from chalicelib import bootstrap
from chalicelib.config import ConfigurationError, allowed_origins
from tests.unit.http.service import Service

PAGE = "https://app.example.com"
ASKS = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}


def cors(headers: dict[str, str]) -> set[str]:
    return {name for name in headers if name.lower().startswith("access-control-")}


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "allowed_origins", lambda: frozenset({PAGE, "http://localhost:5173"}))


@pytest.mark.parametrize("path", ["/", "/api/orders/execute", "/api/orders/ord_x/cancel"])
def test_without_allowed_origins_no_answer_says_anything(service: Service, path: str) -> None:
    got = service.call("OPTIONS", path, headers=ASKS)
    assert got.status == 204
    assert not cors(dict(got.headers))
    assert not cors(dict(service.call("GET", "/api/tokens", headers={"Origin": PAGE}).headers))


@pytest.mark.usefixtures("allowed")
def test_a_preflight_of_an_allowed_page_is_granted(service: Service) -> None:
    got = service.call("OPTIONS", "/api/orders/execute", headers=ASKS)
    assert got.status == 204
    assert got.headers["Access-Control-Allow-Origin"] == PAGE
    assert got.headers["Access-Control-Allow-Methods"] == "GET, HEAD, PATCH, POST"
    asked = {"Authorization", "Content-Type", "Idempotency-Key", "X-Request-Id"}
    assert asked <= set(got.headers["Access-Control-Allow-Headers"].split(", "))
    assert "Access-Control-Allow-Credentials" not in got.headers


@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{PAGE}.evil.example", f"{PAGE}:8443", ""])
def test_another_page_is_granted_nothing(service: Service, origin: str) -> None:
    for method, path in (("OPTIONS", "/api/orders/execute"), ("GET", "/api/tokens")):
        assert not cors(dict(service.call(method, path, headers={**ASKS, "Origin": origin}).headers))


@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize(("path", "status"), [("/api/tokens", 200), ("/api/orders/ord_x", 404), ("/docs", 200)])
def test_answers_and_errors_may_be_read_with_their_headers(service: Service, path: str, status: int) -> None:
    got = service.call("GET", path, headers={"Origin": PAGE})
    assert (got.status, got.headers["Access-Control-Allow-Origin"]) == (status, PAGE)
    assert {"X-Request-Id", "Retry-After"} <= set(got.headers["Access-Control-Expose-Headers"].split(", "))


def test_every_page_may_read_where_all_are_allowed(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "allowed_origins", lambda: frozenset({"*"}))
    got = service.call("OPTIONS", "/api/quotes", headers={**ASKS, "Origin": "https://any.example"})
    assert got.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("setting", "origins"),
    [("", set()), ("*", {"*"}), (f"{PAGE},http://localhost:5173", {PAGE, "http://localhost:5173"})],
)
def test_the_setting_lists_origins(setting: str, origins: set[str]) -> None:
    assert allowed_origins({"ALLOWED_ORIGINS": setting}) == origins


@pytest.mark.parametrize("setting", ["example.com", "https://example.com/", "https://a b", "null"])
def test_what_is_no_origin_is_a_mistake(setting: str) -> None:
    with pytest.raises(ConfigurationError, match="ALLOWED_ORIGINS"):
        allowed_origins({"ALLOWED_ORIGINS": setting})
