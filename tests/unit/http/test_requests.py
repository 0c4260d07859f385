"""What requests may say: every field, in every form that a client can send it."""

import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.tokens import REGISTRY, SOL, USDC
from chalicelib.domain.transitions import OrderStatus
from chalicelib.http.queries import ListQuery, read_query
from chalicelib.http.requests import MAX_BODY_BYTES
from chalicelib.http.wallets import ALPHABET, InvalidWallet, check_wallet
from chalicelib.ports.history import OrderFilter
from tests.unit.http.service import ORDER, SWAP, Service

WALLET = "7EYnhQoR9YM3N7UoaKRoA44Uy8JeaZV3qyouov87awMs"
# 32 bytes that are no point of the curve, as an address that a program derives: no key can sign for it.
PROGRAM_ADDRESS = "4wBqpZM9xaSheZzJSMawUKKwhdpChKbZ5eu5ky4Vigw"


@pytest.mark.parametrize(
    ("amount", "base_units"),
    [
        ("1.5", "1500000000"),
        ("1.50", "1500000000"),
        ('"1.5"', "1500000000"),
        ("15e-1", "1500000000"),
        ("9007199254.740993", "9007199254740993000"),
        ("0.000000001", "1"),
        ("18446744073.709551615", "18446744073709551615"),
    ],
)
def test_amounts_are_exact_as_numbers_and_as_strings(service: Service, amount: str, base_units: str) -> None:
    text = json.dumps({**ORDER, "amount": "AMOUNT"}).replace('"AMOUNT"', amount)
    placed = service.call("POST", "/api/orders/execute", raw=text)
    assert placed.status == 202, placed.text
    order = service.call("GET", f"/api/orders/{placed.body['orderId']}").body
    assert order["amountBaseUnits"] == base_units


@pytest.mark.parametrize("amount", [
    "0", "-1", '"-1"', "-0.0", "1e308", "1e-999999999", "1e999999999", "1e99999999999999999999",
    "1e-99999999999999999999", "18446744073.709551616", "0.0000000001", "9" * 5000, "0." + "0" * 5000 + "1", "NaN",
    "-Infinity", '"NaN"', '"Infinity"', '"1,5"', '" 1"', '"1_0"', '"0x10"', '"١"', "true", "null", "[]", "{}", '""',
])  # fmt: skip
def test_an_amount_that_is_none_is_refused(service: Service, amount: str) -> None:
    text = json.dumps({**ORDER, "amount": "AMOUNT"}).replace('"AMOUNT"', amount)
    refused = service.call("POST", "/api/orders/execute", raw=text)
    assert refused.status == 400
    assert set(refused.fields) == {"amount"}
    assert not service.store.rows


@pytest.mark.parametrize(("side", "base_units"), [("sell", "1500000000"), ("buy", "1500000")])
def test_the_side_says_which_token_the_amount_counts(service: Service, side: str, base_units: str) -> None:
    order_id = service.place(side=side, amount="1.5").body["orderId"]
    assert service.call("GET", f"/api/orders/{order_id}").body["amountBaseUnits"] == base_units


@pytest.mark.parametrize("limit", ["1", "200"])
def test_a_page_has_one_to_200_orders(service: Service, limit: str) -> None:
    service.place()
    assert len(service.call("GET", "/api/orders", query={"limit": limit}).body["orders"]) == 1


@pytest.mark.parametrize("path", ["/api/orders/execute", "/api/quotes"])
@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"outputToken": "SOL"}, "outputToken"),
        ({"outputToken": "WSOL"}, "outputToken"),
        ({"inputToken": "DOGE"}, "inputToken"),
        ({"inputToken": 5}, "inputToken"),
        ({"side": "hold"}, "side"),
        ({"amount": "1.0000000001"}, "amount"),
        ({"side": "buy", "amount": "1.0000001"}, "amount"),
        ({"amount": "1" * 10_000}, "amount"),
        ({"slippageBps": 5001}, "slippageBps"),
        ({"slippageBps": -1}, "slippageBps"),
        ({"slippageBps": 0.5}, "slippageBps"),
        ({"slippageBps": "50"}, "slippageBps"),
        ({"slippageBps": True}, "slippageBps"),
        ({"maxPriceImpactBps": 10001}, "maxPriceImpactBps"),
        ({"maxPriceImpactBps": -1}, "maxPriceImpactBps"),
        ({"maxPriceImpactBps": 0.5}, "maxPriceImpactBps"),
        ({"maxPriceImpactBps": "50"}, "maxPriceImpactBps"),
        ({"orderType": "stop"}, "orderType"),
        ({"price": 1}, "price"),
    ],
)
def test_a_swap_that_breaks_a_rule_is_refused_by_the_name_of_its_field(
    service: Service, path: str, change: dict[str, object], name: str
) -> None:
    body = {**(ORDER if path.endswith("execute") else SWAP), **change}
    refused = service.call("POST", path, body=body)
    assert (refused.status, set(refused.fields)) == (400, {name})
    assert not service.store.rows
    body.pop(name)
    if name in SWAP:
        assert service.call("POST", path, body=body).fields == {name: "is missing"}


@pytest.mark.parametrize(
    ("written", "bps"), [("0", 0), ("5000", 5000), ("50.0", 50), ("5e1", 50), ("0.5e2", 50), ("-0.0", 0)]
)
def test_slippage_is_a_whole_number_from_nothing_to_half_however_json_writes_it(
    service: Service, written: str, bps: int
) -> None:
    text = json.dumps({**ORDER, "slippageBps": "BPS"}).replace('"BPS"', written)
    order_id = service.call("POST", "/api/orders/execute", raw=text).body["orderId"]
    assert service.call("GET", f"/api/orders/{order_id}").body["slippageBps"] == bps


@pytest.mark.parametrize("name", [*ORDER, "slippageBps", "maxPriceImpactBps", "clientOrderId", "orderType", "leverage"])
@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "1e99999999999999999999", "1e999999", "1" * 15_000], ids=lambda number: number[:8]
)
def test_a_number_that_is_none_is_refused_by_the_name_of_its_field(service: Service, name: str, number: str) -> None:
    text = json.dumps({**ORDER, name: "NUMBER"}).replace('"NUMBER"', number)
    refused = service.call("POST", "/api/orders/execute", raw=text)
    assert (refused.status, set(refused.fields)) == (400, {name})
    assert not service.store.rows


def test_what_is_wrong_begins_with_a_verb(service: Service) -> None:
    """pydantic's own sentences would be about an "Input" that nobody sent."""
    refused = service.call("POST", "/api/orders/execute", body={"side": "hold", "slippageBps": 1.5})
    assert {message.split()[0] for message in refused.fields.values()} == {"is", "must"}


def test_every_invalid_field_is_named_at_once(service: Service) -> None:
    refused = service.place(
        userId="",
        walletAddress="w" * 129,
        inputToken="DOGE",
        amount=-1,
        side="hold",
        slippageBps=5001,
        clientOrderId="\x00",
        orderType="stop",
        leverage=3,
    )
    assert refused.status == 400
    assert set(refused.fields) == {
        "userId", "walletAddress", "inputToken", "amount", "side", "slippageBps", "clientOrderId", "orderType",
        "leverage",
    }  # fmt: skip
    assert refused.headers["Content-Type"] == "application/problem+json"


def test_an_answer_to_thousands_of_unknown_fields_stays_short(service: Service) -> None:
    refused = service.place(**{f"x{number}": 1 for number in range(1300)})
    assert refused.status == 400
    assert len(refused.text) < 10_000


def test_a_type_of_order_that_is_not_offered_is_refused(service: Service) -> None:
    for fields in ({}, {"limitPrice": "170", "timeInForce": "gtc", "expiresAt": "soon", "launch": {}}):
        assert service.place(orderType="stop", **fields).fields == {"orderType": "must be market, limit, sniper"}
    assert service.place(orderType="market").status == 202


@pytest.mark.parametrize("name", ["userId", "walletAddress", "clientOrderId"])
@pytest.mark.parametrize(
    "value", ["", " ", "\u2003", "a\x00", "a\n", "\x7f", "\ud800", "a\ufffd", "x" * 129, 7, ["a"], {}]
)
def test_text_that_cannot_be_stored_or_seen_is_refused(service: Service, name: str, value: object) -> None:
    refused = service.place(**{name: value})
    assert refused.status == 400
    assert set(refused.fields) == {name}
    assert not service.store.rows


@pytest.mark.parametrize(
    "value", ["a", "wallet_12345", "Ω≈ç√ 日本語 🚀", "x" * 128, "<script>alert(1)</script>", "a b"]
)
def test_any_other_text_is_kept_as_it_is(service: Service, value: str) -> None:
    placed = service.place(userId=value, walletAddress=value, clientOrderId=value)
    order = service.call("GET", f"/api/orders/{placed.body['orderId']}").body
    assert (order["userId"], order["walletAddress"], order["clientOrderId"]) == (value, value, value)


@pytest.mark.parametrize(
    ("wallet", "sentence"),
    [
        ("wallet_12345", "base58"),
        ("0" * 44, "base58"),
        (WALLET[:30], "32 bytes"),
        ("1" * 44, "32 bytes"),
        ("z" * 44, "32 bytes"),
        (WALLET + "1", "base58"),
        (PROGRAM_ADDRESS, "program"),
    ],
)
def test_strict_wallets_are_keys_that_can_sign(service: Service, wallet: str, sentence: str) -> None:
    service.strict_wallets = True
    refused = service.place(walletAddress=wallet)
    assert refused.status == 400
    assert sentence in refused.fields["walletAddress"]
    assert service.place(walletAddress=WALLET).status == 202


@given(st.binary(min_size=32, max_size=32))
def test_every_real_key_is_a_wallet(seed: bytes) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    address = base58(key)
    assert check_wallet(address) == address


def test_a_key_of_small_order_and_bytes_beyond_the_field_are_told_apart() -> None:
    assert check_wallet(base58((1).to_bytes(32, "little")))
    for beyond in (2**255 - 19, 2**255 - 1, 1 | 1 << 255):
        with pytest.raises(InvalidWallet):
            check_wallet(base58(beyond.to_bytes(32, "little")))


def base58(content: bytes) -> str:
    """Written anew here, so that a mistake in the reader cannot hide in a shared writer."""
    number, text = int.from_bytes(content), ""
    while number:
        number, digit = divmod(number, 58)
        text = ALPHABET[digit] + text
    return "1" * (len(content) - len(content.lstrip(b"\0"))) + text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 202),
        ({"Content-Type": "APPLICATION/JSON; charset=UTF-8"}, 202),
        ({"content-type": 'application/json;charset="utf-8"'}, 202),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": ""}, 415),
        ({"Content-Type": "application/json; charset=utf-16"}, 415),
        ({"Content-Encoding": "gzip"}, 415),
    ],
)
def test_bodies_are_json_in_utf_8(service: Service, headers: dict[str, str], status: int) -> None:
    assert service.place(headers).status == status


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "{not json",
        "[]",
        "null",
        "1",
        '"order"',
        b"\xff\xfe{}",
        json.dumps(dict(ORDER)).encode("utf-16"),
        "\ufeff{}",
        "\ud800",
        json.dumps({**ORDER, "userId": "a\ud800"}, ensure_ascii=False),
        '{"userId":"a","userId":"b"}',
        "[" * 100_000,
        '{"a":' * 60_000,
        "1" * 100_000,
        # As long as a body may be.
        "[" * MAX_BODY_BYTES,
        "1" * MAX_BODY_BYTES,
        " " * MAX_BODY_BYTES,
        '"' + "\\u" * (MAX_BODY_BYTES // 2 - 1) + '"',
        "1e999999",
    ],
    ids=lambda raw: repr(raw)[:20],
)
def test_what_is_no_json_object_is_refused(service: Service, raw: str | bytes) -> None:
    refused = service.call("POST", "/api/orders/execute", raw=raw)
    assert refused.status in (400, 413)
    assert refused.body["code"] in ("malformed_json", "body_too_large")
    assert not service.store.rows


def test_deep_nesting_below_the_size_limit_is_refused(service: Service) -> None:
    refused = service.call("POST", "/api/orders/execute", raw='{"a":' + "[" * 8_000 + "]" * 8_000 + "}")
    assert (refused.status, refused.body["detail"]) == (400, "The body is nested too deeply.")


def test_a_body_over_the_limit_is_refused(service: Service) -> None:
    whole = json.dumps({**ORDER, "userId": "ann"}).ljust(16 * 1024)
    assert service.call("POST", "/api/orders/execute", raw=whole).status == 202
    refused = service.call("POST", "/api/orders/execute", raw=whole + " ")
    assert (refused.status, refused.body["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "201"},
        {"limit": " 5"},
        {"limit": "5.0"},
        {"limit": "1_0"},
        {"limit": "٣"},
        {"limit": ""},
        {"status": "open"},
        {"venue": "nowhere"},
        {"inputToken": "DOGE"},
        {"userId": "\x00"},
        {"userId": ""},
        {"userId": ["a", "b"]},
        {"placedFrom": "2026-11-22"},
        {"placedFrom": "2026-11-22T18:00:00"},
        {"placedFrom": "1763834400"},
        {"placedFrom": "2026-11-22T18:00.5Z"},
        {"placedFrom": "2026-11-22T18:00:00.Z"},
        {"placedFrom": "2026-11-22T18:00:00 00:00"},
        {"placedBefore": "2026-13-01T00:00:00Z"},
        {"placedBefore": "0001-01-01T00:00:00+14:00"},
        {"page": "2"},
    ],
)
def test_a_query_that_breaks_a_rule_names_the_field(service: Service, query: dict[str, str | list[str]]) -> None:
    refused = service.call("GET", "/api/orders", query=query)
    assert refused.status == 400, refused.text
    assert set(refused.fields) == set(query)


@pytest.mark.parametrize("moment", [
    "2026-11-22T18:00:00Z", "2026-11-22T19:00:00.000+01:00", "2026-11-22T18:00Z", "2026-11-22t18:00:00.000000000z",
    "2026-11-22T17:59:59.999000001Z", "2026-11-22T17:59:59.99999999999999999999Z",
])  # fmt: skip
def test_times_are_read_to_the_first_millisecond_that_is_not_before_them(moment: str) -> None:
    assert read_query(ListQuery, {"placedFrom": [moment]}).placedFrom == datetime(2026, 11, 22, 18, tzinfo=UTC)


def test_orders_are_found_by_times_below_a_millisecond(service: Service) -> None:
    order_id = service.place().body["orderId"]
    placed = service.call("GET", f"/api/orders/{order_id}").body["createdAt"].removesuffix("Z")
    for fraction, is_from in (("000000", True), ("000001", False), ("999", False)):
        moment = f"{placed}{fraction}Z"
        found = service.call("GET", "/api/orders", query={"placedFrom": moment}).body["orders"]
        before = service.call("GET", "/api/orders", query={"placedBefore": moment}).body["orders"]
        assert (bool(found), bool(before)) == (is_from, not is_from), moment


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59.999999Z"])
def test_times_at_the_ends_of_the_calendar_filter_too(service: Service, moment: str) -> None:
    service.place()
    early = service.call("GET", "/api/orders", query={"placedFrom": moment}).body["orders"]
    late = service.call("GET", "/api/orders", query={"placedBefore": moment}).body["orders"]
    assert len(early) + len(late) == 1


def test_every_filter_reaches_the_history() -> None:
    query = {
        "userId": "u",
        "clientOrderId": "c",
        "status": "failed",
        "venue": "meteora",
        "inputToken": "SOL",
        "outputToken": "USDC",
        "placedFrom": "2026-01-01T00:00:00Z",
        "placedBefore": "2026-02-01T00:00:00Z",
        "limit": "7",
        "cursor": "x",
    }
    read = read_query(ListQuery, {name: [value] for name, value in query.items()})
    assert (read.limit, read.cursor) == (7, "x")
    assert read.to_filter() == OrderFilter(
        user_id="u",
        client_order_id="c",
        status=OrderStatus.FAILED,
        venue="meteora",
        input_token=SOL,
        output_token=USDC,
        placed_from=datetime(2026, 1, 1, tzinfo=UTC),
        placed_before=datetime(2026, 2, 1, tzinfo=UTC),
    )


def test_the_mint_that_sol_and_wsol_share_lists_the_orders_of_both(service: Service) -> None:
    placed = {name: service.place(inputToken=name).body["orderId"] for name in ("SOL", "WSOL", "JUP")}
    for name, expected in (
        (SOL.mint, {placed["SOL"], placed["WSOL"]}),
        ("SOL", {placed["SOL"]}),
        ("WSOL", {placed["WSOL"]}),
        (find_mint("JUP"), {placed["JUP"]}),
    ):
        found = service.call("GET", "/api/orders", query={"inputToken": name}).body["orders"]
        assert {order["orderId"] for order in found} == expected, name
        assert not service.call("GET", "/api/orders", query={"outputToken": name}).body["orders"]
    pages = service.call("GET", "/api/orders", query={"inputToken": SOL.mint, "limit": "1"}).body
    query = {"inputToken": SOL.mint, "cursor": pages["nextCursor"]}
    assert len(service.call("GET", "/api/orders", query=query).body["orders"]) == 1


def find_mint(symbol: str) -> str:
    """The address of a token's mint."""
    return next(token.mint for token in REGISTRY if token.symbol == symbol)


def test_a_field_of_any_name_is_named_as_an_answer_can_carry_it(service: Service) -> None:
    refused = service.place(**{"x\x00y": 1, "z" * 300: 1})
    assert set(refused.fields) == {"x\ufffdy", "z" * 200}
