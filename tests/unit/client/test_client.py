"""The client against a service on real sockets: each order once, each status once, each failure by its name."""

import asyncio
import dataclasses
import inspect
import re
import subprocess
import sys
from decimal import Decimal

import pytest

import order_engine
from chalicelib import VERSION
from docs.api.openapi import openapi
from docs.api.samples import BASE, samples
from localstack.paths import ROOT
from order_engine import (
    Client,
    ConnectionLost,
    InvalidHeader,
    InvalidUrl,
    OrderEngineError,
    OutcomeUnknown,
    Patience,
    Refused,
    StreamLost,
    Swap,
    TimedOut,
    UnexpectedAnswer,
    Unreachable,
    errors,
)
from order_engine.models import Exact
from tests.fakes.service import ID, Handler, Service, an_order, cut, order, refusing, saying, served
from tests.unit.client.conftest import IMPATIENT


async def sequences(client: Client, **arguments: int) -> list[int]:
    placed = await client.place(an_order())
    return [event.sequence async for event in client.follow(placed, **arguments)]


@pytest.mark.parametrize(
    ("answers", "sent"),
    [
        ([cut], 2),
        ([cut, refusing(503, "service_unavailable")], 3),
        ([saying(502, "<html>bad gateway</html>"), saying(504, "")], 3),
        ([refusing(429, "rate_limited", {"Retry-After": "0"})], 2),
    ],
)
async def test_an_order_is_sent_again_with_its_key(
    service: Service, client: Client, answers: list[Handler], sent: int
) -> None:
    service.answers = answers
    wanted = an_order()
    assert (await client.place(wanted)).order_id == ID
    assert service.keys == [wanted.idempotency_key] * sent


async def test_two_orders_have_two_keys_and_one_order_one(service: Service, client: Client) -> None:
    first, second = an_order(), an_order()
    for each in (first, second, first):
        await client.place(each)
    assert service.keys[0] == service.keys[2] != service.keys[1]


@pytest.mark.parametrize("last", [cut, saying(502, ""), refusing(401, "unauthenticated")])
async def test_an_order_that_may_exist_is_said_to(service: Service, client: Client, last: Handler) -> None:
    service.answers = [cut, cut, last]
    wanted = an_order()
    with pytest.raises(OutcomeUnknown, match=wanted.idempotency_key) as told:
        await client.place(wanted)
    assert told.value.idempotency_key == wanted.idempotency_key


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (
            refusing(400, errors=[{"field": "amount", "message": "must be positive"}]),
            "InvalidRequest",
            "amount must be",
        ),
        (refusing(401), "Unauthenticated", "401"),
        (refusing(403), "Forbidden", "403"),
        (refusing(404), "NotFound", "404"),
        (refusing(409), "Conflict", "409"),
        (refusing(413), "InvalidRequest", "413"),
        (refusing(422), "Unprocessable", "422"),
    ],
)
async def test_a_refusal_has_a_type_and_is_final(
    service: Service, client: Client, answer: Handler, kind: str, said: str
) -> None:
    service.answers = [answer]
    with pytest.raises(Refused, match=said) as told:
        await client.place(an_order())
    assert type(told.value).__name__ == kind
    assert told.value.code == "a_code"
    assert len(service.placed) == 1


async def test_a_refusal_has_the_fields_as_values(service: Service, client: Client) -> None:
    service.answers = [refusing(400, errors=[{"field": "a", "message": "b"}], requestId="r", orderId="o")]
    with pytest.raises(errors.InvalidRequest) as told:
        await client.place(an_order())
    assert told.value.fields == (errors.InvalidField("a", "b"),)
    assert (told.value.request_id, told.value.order_id, told.value.status) == ("r", "o", 400)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (saying(403, '{"message": "Missing Authentication Token"}'), "ends with the stage, /live"),
        (saying(404, "<html>\n<h1>nginx</h1></html>"), "404: <html> <h1>nginx"),
        (saying(200, "hello"), "200: hello"),
        (saying(202, '{"orderId": "o"}'), "not as this service does"),
        (saying(202, "[1]"), "not as this service does"),
        (saying(301, "", {"Location": "https://x.example/live"}), r"on to https://x\.example/live: give that address"),
    ],
)
async def test_another_service_is_recognised(service: Service, client: Client, answer: Handler, said: str) -> None:
    service.answers = [answer]
    with pytest.raises(UnexpectedAnswer, match=said):
        await client.place(an_order())


@pytest.mark.parametrize(
    "text",
    ['{"events": ' + "[" * 100_000, "\ud800", '{"events": [{"sequence": 1e999}]}', '{"events": {}}', "", "null", "\0"],
)
async def test_an_answer_of_nonsense_is_an_answer_of_nobody_we_know(
    service: Service, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "rest", saying(200, text.encode("utf-8", "replace").decode()))
    async with served(service), Client(service.url) as client:
        with pytest.raises(UnexpectedAnswer):
            await client.events(ID)


async def test_what_no_header_can_carry_is_said_before_anything_is_sent(service: Service, client: Client) -> None:
    with pytest.raises(InvalidHeader, match="idempotency key"):
        await client.place(an_order(idempotency_key="a\nb"))
    assert service.placed == []


async def test_an_id_of_anything_is_one_part_of_the_path(service: Service, client: Client) -> None:
    for order_id in ("a/b", "..", "?x=1", "\udc80", "\0", "ord_1#x"):
        with pytest.raises(OrderEngineError):
            await client.get(order_id)
    assert all(call.startswith("GET /api/orders/") or call == "GET /api/" for call in service.calls), service.calls


@pytest.mark.parametrize("amount", [1.5, True, None])
async def test_an_amount_is_exact_or_refused(service: Service, client: Client, amount: Exact) -> None:
    with pytest.raises(TypeError, match="an amount is a Decimal, an int or a str"):
        await client.place(an_order(amount=amount))
    assert service.placed == []


async def test_amounts_arrive_as_they_were_given(service: Service, client: Client) -> None:
    for each in (Decimal("0.123456789012345678901234567890"), "1.50", 7):
        await client.place(an_order(amount=each))
    assert [body["amount"] for body in service.placed] == ["0.123456789012345678901234567890", "1.50", "7"]


async def test_answers_are_exact_types(client: Client) -> None:
    done = await client.get(ID)
    assert done.executed_price == Decimal("166.82634")
    assert done.executed_output is not None
    assert (done.executed_output.base_units, done.is_over) == (250_239_510, True)
    assert done.below_quote_bps == Decimal("10.0")
    assert done.updated_at.tzinfo is not None
    route = await client.quote(Swap(input_token="SOL", output_token="USDC", side="sell", amount=1))
    assert route.chosen.effective_price == Decimal("166.99")
    assert [token.symbol for token in await client.tokens()] == ["SOL", "USDC"]
    assert (await client.health()).checks["database"].milliseconds == 1


def test_a_purchase_is_below_its_quote_where_it_paid_more(service: Service) -> None:
    async def read() -> Decimal | None:
        service.view = order(
            side="buy",
            expectedInput={"amount": "2", "baseUnits": "2", "token": "SOL"},
            executedInput={"amount": "2.001", "baseUnits": "2", "token": "SOL"},
        )
        async with served(service), Client(service.url) as client:
            return (await client.get(ID)).below_quote_bps

    assert asyncio.run(read()) == Decimal("5.0")


@pytest.mark.parametrize("cuts", [[], [0], [1], [2, 1, 1], [4, 0, 0]])
async def test_each_status_comes_once_however_often_the_stream_breaks(
    service: Service, client: Client, cuts: list[int]
) -> None:
    service.cuts = cuts
    assert await sequences(client) == [1, 2, 3, 4, 5]


async def test_a_broken_stream_goes_on_behind_the_last_status(service: Service, client: Client) -> None:
    service.statuses, service.cuts = ("pending", "routing"), [1]
    following = client.follow(await client.place(an_order()))
    assert [(await anext(following)).sequence, (await anext(following)).sequence] == [1, 2]
    service.statuses = (*service.statuses, "failed")
    assert [event.status async for event in following] == ["failed"]
    assert service.connections[0] == f"orderId={ID}&after=0"
    assert service.connections[-1] == f"orderId={ID}&ticket=t&after=2"


async def test_without_websockets_the_events_are_read(service: Service, client: Client) -> None:
    service.has_streams = False
    assert await sequences(client) == [1, 2, 3, 4, 5]


async def test_an_order_that_is_over_ends_at_once(service: Service, client: Client) -> None:
    async with asyncio.timeout(5):
        assert [event async for event in client.follow(ID, after=5)] == []
        assert [event.sequence async for event in client.follow(ID, after=3)] == [4, 5]
    with pytest.raises(errors.NotFound):
        await anext(client.follow("ord_2"))


async def test_a_stream_that_stays_away_is_said_to(service: Service) -> None:
    service.statuses = ("pending",)
    async with Client(service.url, patience=dataclasses.replace(IMPATIENT, follow_seconds=0.2)) as client:
        following = client.follow(await client.place(an_order()))
        await anext(following)
        client.url = "http://127.0.0.1:1"
        service.cuts = [0]
        waiting = asyncio.ensure_future(anext(following))
        await asyncio.sleep(0)
        await client.close()  # the connection breaks
        with pytest.raises(StreamLost, match=f"{ID} goes on"):
            await waiting


async def test_a_silent_stream_is_opened_again(service: Service) -> None:
    service.statuses = ("pending",)
    async with Client(service.url, patience=dataclasses.replace(IMPATIENT, silence_seconds=0.1)) as client:
        following = client.follow(await client.place(an_order()))
        await anext(following)
        waiting = asyncio.ensure_future(anext(following))
        while len(service.connections) < 2:  # noqa: ASYNC110  # the service has no event for it
            await asyncio.sleep(0.01)
        service.statuses = ("pending", "cancelled")
        assert (await waiting).status == "cancelled"


async def test_a_connection_follows_other_orders_too(client: Client) -> None:
    async with client.stream(ID, after=5) as stream:
        await stream.subscribe("ord_2")
        async for frame in stream:
            assert frame == order_engine.Subscribed(order_id="ord_2", sequence=1)
            break


async def test_the_token_is_asked_for_before_each_call(service: Service) -> None:
    tokens = iter("ab")
    async with Client(service.url, token=lambda: next(tokens)) as client:
        await client.place(an_order())
        await client.place(an_order())
    assert service.tokens == ["Bearer a", "Bearer b"]


@pytest.mark.parametrize(
    "given",
    ["localhost:3000", "ftp://localhost", "http://", "http://localhost:none", "http://a/?b", "http://a/#b", "/"],
)
def test_what_is_no_address_is_told_so(given: str) -> None:
    with pytest.raises(InvalidUrl, match="stands before /api"):
        Client(given)


@pytest.mark.parametrize("given", ["http://localhost:3000", "https://x.example/live/", "http://[::1]:3000"])
def test_an_address_is_taken_as_it_is(given: str) -> None:
    assert Client(given).url == given.rstrip("/")


async def test_nobody_has_the_name() -> None:
    async with Client("http://nobody.invalid") as client:
        with pytest.raises(Unreachable, match=r"nobody knows the name nobody\.invalid"):
            await client.get(ID)


async def test_a_service_that_is_silent_or_breaks_off(service: Service) -> None:
    async def silent(_: object) -> None:
        await asyncio.sleep(60)

    service.rest = cut  # type: ignore[method-assign]
    async with served(service), Client(service.url, patience=Patience(tries=1)) as client:
        with pytest.raises(ConnectionLost):
            await client.get(ID)
    service.rest = silent  # type: ignore[method-assign, assignment]
    async with served(service), Client(service.url, patience=Patience(answer_seconds=0.5, tries=1)) as client:
        with pytest.raises(TimedOut):
            await client.get(ID)


async def test_a_service_without_tls(service: Service) -> None:
    async with Client(service.url.replace("http", "https")) as client:
        with pytest.raises(Unreachable, match="does not speak TLS"):
            await client.get(ID)


def test_a_proxy_is_for_other_machines_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    from yarl import URL

    client = Client("https://x.example")
    assert client._proxy(URL("wss://x.example/a")) == "http://proxy.example:3128"
    for host in ("localhost:3000", "127.0.0.1:3000", "[::1]:3000"):
        assert client._proxy(URL(f"http://{host}")) is None


def test_every_error_is_in_the_tree_and_can_be_imported() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]
    assert errors.__doc__ is not None
    for kind in kinds:
        assert issubclass(kind, OrderEngineError)
        assert kind.__name__ in errors.__doc__
        assert getattr(order_engine, kind.__name__) is kind
        assert kind.__name__ in order_engine.__all__


def test_the_client_has_the_service_s_version() -> None:
    assert order_engine.__version__ == VERSION
    assert f'version = "{VERSION}"' in ROOT.joinpath("pyproject.toml").read_text()


async def test_the_readme_s_example_runs(service: Service) -> None:
    example = ROOT.joinpath("order_engine", "README.md").read_text().partition("```python\n")[2].partition("```")[0]
    shown = (
        await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", example, service.url],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    ).stdout
    assert shown.splitlines()[-2:] == ["5 confirmed Message 5.", "confirmed 166.82634 10.0"]


RUN = ("placeOrder", "openStream", "listOrders", "getOrder", "listOrderEvents", "cancelOrder", "quote", "health")


@pytest.mark.parametrize("name", [*RUN, "makeStreamTicket", "listTokens"])
async def test_the_documentation_s_samples_run(service: Service, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (shown,) = (
        samples(method, path, operation)["Python"]
        for path, methods in openapi()["paths"].items()
        for method, operation in methods.items()
        if operation["operationId"] == name
    )
    service.placed = [{}]
    code = re.sub(r"ord_[0-9a-f]{32}", ID, shown).replace(BASE, service.url)
    await asyncio.to_thread(exec, compile(code, name, "exec"), {"__name__": name})
    assert capsys.readouterr().out
