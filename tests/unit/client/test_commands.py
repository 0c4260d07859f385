"""The client's commands before a service on real sockets, with their exit statuses, signals and output."""

import asyncio
import json
import os
import signal
import ssl
from pathlib import Path

import pytest

from order_engine.cli import text
from tests.fakes.certificates import Authority
from tests.fakes.service import ID, Handler, Service, cut, order, refusing, saying, served
from tests.unit.client.commands import DEV, INSTALLED, LIMIT_SECONDS, end, invoke, on_a_terminal, run, start

EVIL = "\x1b]0;owned\x07\x1b[31m\u202eevil\x9b2J"


@pytest.mark.parametrize(("ends_as", "status"), [("confirmed", 0), ("failed", 1), ("cancelled", 3)])
async def test_an_order_is_followed_where_the_answer_says_and_the_status_tells_its_end(
    service: Service, ends_as: str, status: int
) -> None:
    service.statuses = ("pending", "building", ends_as)
    ended = await invoke("order", "--url", f"{service.url}/")
    assert (ended.status, ended.err) == (status, "")
    assert service.connections == [f"orderId={ID}&after=0"]
    first, *_, last = ended.out.splitlines()
    assert first == f"Sell 1.5 SOL → USDC  {ID}"
    assert len(ended.out.splitlines()) <= 4
    assert ends_as in ended.out
    if ends_as == "confirmed":
        assert "10 bps below the quote (limit 50)" in last


async def test_with_v_every_status_has_its_details_in_words(service: Service) -> None:
    service.statuses = ("pending", "routing", "confirmed")
    ended = await invoke("order", "-v", "--url", service.url)
    assert [line.split()[1] for line in ended.out.splitlines()[1:4]] == list(service.statuses)
    assert text.details({"finalExecutionPrice": "1", "fee": {"amount": "2", "token": "SOL", "baseUnits": "3"}}) == {
        "final execution price": "1",
        "fee": "2 SOL",
    }


async def test_all_orders_of_a_user_are_a_line_each_status_for_as_long_as_is_asked_for(service: Service) -> None:
    service.statuses = ("pending", "confirmed")
    watch = ("order", "watch", "--user", "dev", "--timeout", "1", "--url", service.url)
    ended = await invoke(*watch)
    assert (ended.status, ended.err) == (0, "")
    first, *lines = ended.out.splitlines()
    assert first == "dev has 0 open"
    assert [line.split()[0::2][:2] for line in lines] == [[f"…{ID[-8:]}", "pending"], [f"…{ID[-8:]}", "confirmed"]]
    as_json = await invoke(*watch, "--json", "--since", "10m")
    assert [json.loads(line)["sequence"] for line in as_json.out.splitlines()] == [1, 2]
    assert "&since=20" in service.connections[-1]
    for wrong in (("order", "watch"), ("order", "watch", ID, "--user", "dev"), ("order", "watch", ID, "--since", "1m")):
        assert (await invoke(*wrong, "--url", service.url)).status == 2


async def test_options_become_the_order_with_one_key(service: Service) -> None:
    trade = ("--amount", "2.50", "--buy", "--input", "USDC", "--output", "SOL", "--slippage-bps", "10", "--user", "me")
    mine = ("--wallet", "w", "--client-order-id", "mine", "--idempotency-key", "k", "--max-price-impact-bps", "7")
    service.answers = [cut]
    assert (await invoke("order", "place", *trade, *mine, "--url", service.url, "--no-wait", "-q")).out == f"{ID}\n"
    assert service.keys == ["k", "k"]
    assert service.placed[0] == service.placed[1]
    assert service.placed[0] == {
        "userId": "me",
        "walletAddress": "w",
        "inputToken": "USDC",
        "outputToken": "SOL",
        "side": "buy",
        "amount": "2.50",
        "slippageBps": 10,
        "maxPriceImpactBps": 7,
        "clientOrderId": "mine",
    }


async def test_a_limit_order_rests_and_can_be_amended(service: Service) -> None:
    service.statuses = ("waiting",)
    limit = ("--limit", "170.50", "--expires", "2026-12-01T00:00:00+00:00")
    ended = await invoke("order", "place", *limit, "--url", service.url)
    assert ended.status == 0, ended
    assert service.placed[0] | {"orderType": "limit", "limitPrice": "170.50"} == service.placed[0]
    assert service.placed[0]["expiresAt"] == "2026-12-01T00:00:00+00:00"
    assert ended.out.splitlines()[-1].startswith(f"order-engine order watch {ID} goes on watching")
    await invoke("order", "place", "--limit", "170", "--fok", "--no-wait", "--url", service.url)
    await invoke("order", "place", "--snipe", "--output", "LNCH-1", "--no-wait", "--url", service.url)
    assert service.placed[1]["timeInForce"] == "fok"
    assert (service.placed[2]["orderType"], service.placed[2]["launch"]) == ("sniper", {})
    amended = await invoke("order", "amend", ID, "--limit", "171", "--if-sequence", "1", "--url", service.url)
    assert service.amended == [{"limitPrice": "171", "ifSequence": 1}]
    assert "171 USDC per SOL" in amended.out
    for wrong in (
        ("amend", ID),
        ("amend", ID, "--expires", "soon"),
        ("place", "--limit", "1", "--expires", "9999999d"),
    ):
        assert (await invoke("order", *wrong, "--url", service.url)).status == 2


async def test_an_order_that_expires_has_a_status_of_its_own(service: Service) -> None:
    service.statuses = ("pending", "expired")
    assert (await invoke("order", "place", "--limit", "170", "--fok", "--url", service.url)).status == 7


async def test_the_other_commands(service: Service) -> None:
    service.placed = [{}]
    for arguments, shown in {
        ("order", "get", ID, "-q"): "confirmed",
        ("order", "get", ID, "-v"): "250.23951 USDC",
        ("order", "list", "-q"): ID,
        ("order", "list"): f"{ID}\t2026-01-01",
        ("order", "list", "-q", "--limit", "1"): ID,
        ("order", "list", "-q", "--last", "1"): ID,
        ("order", "watch", ID): "confirmed in 4.0 s",
        ("quote",): "1.5 SOL → 250.49 USDC on raydium",
        ("quote", "-q"): "250.49",
        ("market", "-q"): "168.21",
        ("market", "SOL", "USDC"): "LNCH-1",
        ("market", "--json"): '"best": "168.21"',
        ("tokens", "-q"): "SOL\nUSDC",
        ("health",): "Orders can be taken",
        ("order", "--dry-run"): "nothing is placed",
        ("order", "cancel", ID): "cancelled",
    }.items():
        ended = await invoke(*arguments, "--url", service.url)
        assert (ended.status, ended.err) == (0, ""), arguments
        assert shown in ended.out, arguments
    assert service.placed == [{}]


async def test_json_is_the_service_s_own(service: Service) -> None:
    service.placed = [{}]
    for arguments in (("order",), ("order", "get", ID), ("order", "list"), ("order", "cancel", ID)):
        ended = await invoke(*arguments, "--json", "--url", service.url)
        assert json.loads(ended.out.splitlines()[0] if arguments[1:] == ("list",) else ended.out) == service.order()
    lines = (await invoke("order", "--json", "-v", "--url", service.url)).out.splitlines()
    assert [json.loads(line)["status"] for line in lines] == ["pending", "cancelled"]


async def test_the_installed_program_takes_address_and_token_from_the_environment(service: Service) -> None:
    ended = await run("order", program=INSTALLED, ORDER_ENGINE_URL=service.url, ORDER_ENGINE_TOKEN="t")
    assert (ended.status, ended.err) == (0, "")
    assert service.tokens == ["Bearer t"]
    assert (await invoke("--version")).out == "order-engine 0.1.0\n"
    ended = await invoke("health")
    assert ended.status == 2
    assert "ORDER_ENGINE_URL" in ended.sentence
    completion = await run(
        program=INSTALLED, _ORDER_ENGINE_COMPLETE="complete_bash", COMP_WORDS="order-engine or", COMP_CWORD="1"
    )
    assert completion.out.split() == ["order"]


@pytest.mark.parametrize(
    ("answers", "status", "said"),
    [
        ([refusing(422, "no_quote")], 6, "Not today (422)"),
        ([refusing(400, errors=[{"field": "amount", "message": "must be positive"}])], 6, "amount must be positive"),
        ([saying(404, "<html>")], 4, "ends with the stage, /live"),
        ([cut] * 5, 5, "may have been placed"),
    ],
)
async def test_each_failure_is_one_sentence_with_a_status_of_its_own(
    service: Service, answers: list[Handler], status: int, said: str
) -> None:
    service.answers = answers
    ended = await invoke("order", "--url", service.url)
    assert (ended.status, ended.out) == (status, "")
    assert said in ended.sentence


async def test_nothing_at_the_address_and_no_address() -> None:
    ended = await run("bench", "--orders", "1", "--url", "http://127.0.0.1:1")
    for each in (ended, await invoke("order", "--url", "http://127.0.0.1:1")):
        assert (each.status, each.out) == (4, "")
        assert "http://127.0.0.1:1 can't be reached: nothing listens there." in each.sentence
    assert (await invoke("order", "--url", "localhost")).status == 2


async def test_some_of_several_cancels_may_be_refused(service: Service) -> None:
    ended = await invoke("order", "cancel", "a", ID, "--url", service.url)
    assert (ended.status, ended.out) == (6, f"{ID}  cancelled\n")
    assert ended.sentence.startswith("order-engine: a: ")


async def test_an_order_that_does_not_end_is_left_to_itself(service: Service) -> None:
    service.statuses = ("submitted",)
    ended = await invoke("order", "--url", service.url, "--timeout", "1")
    assert ended.status == 5
    assert f"order-engine order watch {ID} follows it" in ended.sentence


@pytest.mark.parametrize(
    ("number", "status", "program"),
    [(signal.SIGINT, 130, DEV), (signal.SIGINT, 130, INSTALLED), (signal.SIGTERM, 143, INSTALLED)],
)
async def test_a_signal_ends_following_and_says_how_to_go_on(
    service: Service, number: signal.Signals, status: int, program: tuple[str, ...]
) -> None:
    service.statuses = ("pending", "building", "submitted")
    process = await start("order", "--url", service.url, program=program)
    assert process.stdout is not None
    async with asyncio.timeout(LIMIT_SECONDS):
        while ID.encode() not in await process.stdout.readline():
            pass
    process.send_signal(number)
    ended = await end(process)
    assert ended.status == status
    assert f"order watch {ID} goes on watching" in ended.sentence


@pytest.mark.parametrize("arguments", [("order",), ("order", "list"), ("market", "--json")], ids=" ".join)
async def test_a_reader_that_has_gone_ends_the_command_as_in_a_shell(
    service: Service, arguments: tuple[str, ...]
) -> None:
    service.placed = [{}]
    read, write = os.pipe()
    os.close(read)
    process = await start(*arguments, "--url", service.url, stdout=write)
    os.close(write)
    ended = await end(process)
    assert (ended.status, ended.err) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="This system has no /dev/full.")
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        (DEV, ("order",)),
        (DEV, ("order", "list")),
        (DEV, ("market", "--json")),
        (DEV, ("--help",)),
        (INSTALLED, ("health",)),
        (INSTALLED, ("order", "get", ID, "--json")),
        (INSTALLED, ("--version",)),
        (INSTALLED, ("order", "--help")),
    ],
)
async def test_output_that_cannot_be_written_is_one_sentence_and_no_end_of_an_order(
    service: Service, program: tuple[str, ...], arguments: tuple[str, ...], unbuffered: str
) -> None:
    service.placed = [{}]
    where = () if arguments[-1].startswith("--") and arguments[-1] != "--json" else ("--url", service.url)
    full = os.open("/dev/full", os.O_WRONLY)
    process = await start(
        *arguments, *where, program=program, stdout=full, environment={"PYTHONUNBUFFERED": unbuffered}
    )
    os.close(full)
    ended = await end(process)
    assert ended.sentence.endswith(": The output can't be written: No space left on device.")
    assert ended.status == 74


async def test_https_and_wss_with_a_trusted_certificate_only(tmp_path: Path) -> None:
    authority = Authority.new("Authority of a test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.server("service.example", tmp_path / "server.pem"))
    trusted = str(authority.write(tmp_path / "authority.pem"))
    async with served(Service(), context) as service:
        assert (await run("order", "--url", service.url, SSL_CERT_FILE=trusted)).status == 0
        refused = await invoke("order", "--url", service.url)
        assert refused.status == 4
        assert "its certificate is not trusted" in refused.sentence
        assert len(service.placed) == 1


async def test_a_server_s_text_steers_no_terminal(service: Service) -> None:
    service.view = order("failed", userId=EVIL, error={"code": "x", "message": EVIL, "retryable": False})
    service.placed = [{}]
    for arguments in (("get", ID), ("get", ID, "--json"), ("list",), ("list", "--json"), ("watch", ID, "-v")):
        out = (await invoke("order", *arguments, "--url", service.url)).out
        assert "evil" in out or arguments == ("list",)
        assert not set(out) & set("\x1b\x07\x9b\u202e"), arguments
    service.answers = [refusing(400, errors=[{"field": EVIL, "message": EVIL}])]
    assert "\x1b" not in (await invoke("order", "--url", service.url)).err


@pytest.mark.parametrize("environment", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}])
async def test_it_works_without_a_locale(service: Service, environment: dict[str, str]) -> None:
    ended = await run("order", "--url", service.url, program=INSTALLED, **environment)
    assert (ended.status, ended.err) == (0, "")


async def test_forty_columns_are_enough(service: Service) -> None:
    service.placed = [{}]
    for arguments in (("list",), ("place", "-v")):
        out = await on_a_terminal("order", *arguments, "--url", service.url, columns=40)
        assert ID in out
        assert "confirmed" in out


async def test_a_signal_gives_the_terminal_back_from_watch(service: Service) -> None:
    async def interrupt(process: asyncio.subprocess.Process, seen: bytes) -> None:
        if b"TIME" in seen and process.returncode is None:
            process.send_signal(signal.SIGTERM)

    service.placed = [{}]
    out = await on_a_terminal("watch", "--url", service.url, columns=100, each=interrupt)
    assert "\x1b[?1049l" in out
    assert "Traceback" not in out
    piped = await invoke("watch", "--url", service.url)
    assert piped.status == 2
    assert "order list" in piped.sentence
