"""A function's process that is forked behaves as one that was started."""

import inspect
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from localstack.local_stack import ministack_process, queue_batches
from localstack.local_stack.function_log import FunctionLog
from localstack.local_stack.ministack_process import (
    ForkedProcess,
    authorize_batches_as_single_sends,
    cache_policies,
    keep_function_logs,
    shorten_queue_waits,
)
from localstack.local_stack.queue_batches import Gathering, once_a_second

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="functions are forked on Linux only")
_TELL = """
import json, os, sys
sys.stderr.write("begun\\n")
for line in sys.stdin:
    print(json.dumps([line.strip(), dict(os.environ), os.getcwd(), sys.argv]))
sys.exit(7)
"""
Start = Callable[[str], ForkedProcess]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return tmp_path / "a_worker.py"


@pytest.fixture
def start(script: Path) -> Iterator[Start]:
    started: list[ForkedProcess] = []

    def start(source: str) -> ForkedProcess:
        script.write_text(source)
        started.append(ForkedProcess([sys.executable, str(script)], str(script.parent), {"ONLY": "this"}))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait(10)
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()


def test_it_has_its_own_pipes_environment_folder_and_command(start: Start, script: Path) -> None:
    process = start(_TELL)

    process.stdin.write("héllo\n")

    assert process.stderr.readline() == "begun\n"
    assert json.loads(process.stdout.readline()) == ["héllo", {"ONLY": "this"}, str(script.parent), [str(script)]]


def test_it_is_found_by_its_command(start: Start, script: Path) -> None:
    process = start(_TELL)

    process.stderr.readline()

    assert any(str(script) in " ".join(each.cmdline()) for each in psutil.Process().children(recursive=True))


def test_it_ends_with_its_input_and_tells_its_status(start: Start) -> None:
    process = start(_TELL)
    assert process.poll() is None

    process.stdin.close()

    assert process.wait(10) == 7
    assert process.poll() == 7


def test_one_that_is_killed_closes_its_pipes(start: Start) -> None:
    process = start(_TELL)
    process.stderr.readline()

    process.kill()

    assert process.wait(10) == -9
    assert process.stdout.readline() == ""


def test_waiting_has_a_limit(start: Start) -> None:
    process = start(_TELL)

    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.05)


def test_what_it_raises_is_told_on_its_standard_error(start: Start) -> None:
    process = start("raise ValueError('the reason')")

    told = process.stderr.read()

    assert "ValueError: the reason" in told
    assert process.wait(10) == 1


def test_deduplication_ids_are_pruned_once_a_second_in_each_queue() -> None:
    pruned: list[object] = []
    prune = once_a_second(lambda queue: pruned.append(queue["url"]))

    for url in ("orders", "orders", "events", "orders"):
        prune({"url": url})

    assert pruned == ["orders", "events"]


def test_a_fifo_queue_is_worked_on_in_two_batches_and_others_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    from ministack.services import lambda_svc, sqs

    # Given MiniStack as it comes
    for module, name in (
        (lambda_svc, "_sqs_esm_concurrency"),
        (lambda_svc, "_ESM_IDLE_WAKE_GAP_SECONDS"),
        (sqs, "_prune_dedup"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))
    limited = {"ScalingConfig": {"MaximumConcurrency": 20}}
    assert lambda_svc._sqs_esm_concurrency(limited, {}, {}, {"is_fifo": True}) == 1

    # When it is changed
    shorten_queue_waits(queue_batches)

    # Then
    assert lambda_svc._sqs_esm_concurrency(limited, {}, {}, {"is_fifo": True}) == 2
    assert lambda_svc._sqs_esm_concurrency(limited, {}, {}, {"is_fifo": False}) == 20


@dataclass
class SlowQueue:
    """A queue with so many messages, in a time that stands still until it is put forward."""

    messages: int = 0
    now: float = 100.0
    woken_after: list[float] = field(default_factory=list)

    def receive(self, _: str, number: int) -> list[dict[str, object]]:
        taken = min(number, self.messages)
        self.messages -= taken
        return [{}] * taken

    def batches(self) -> Callable[[int], int]:
        """How many messages the next look hands over while so many batches are being worked on."""
        gathering = Gathering(
            self.receive, lambda _, number: min(number, self.messages), self.woken_after.append, lambda: self.now
        )
        return lambda busy: len(gathering.receive("orders", 10, busy))


def test_a_message_that_comes_alone_is_handed_over_at_once() -> None:
    queue = SlowQueue()
    next_batch = queue.batches()
    for busy in range(3):
        queue.messages, queue.now = 1, queue.now + 1
        assert next_batch(busy) == 1
    assert queue.woken_after == []


def test_those_that_come_together_are_gathered_until_a_batch_is_full_or_the_time_is_over() -> None:
    queue = SlowQueue(messages=1)
    next_batch = queue.batches()
    assert next_batch(0) == 1
    # Neither full nor the time over: the poller is woken once, when it is
    queue.messages = 9
    assert (next_batch(5), next_batch(5)) == (0, 0)
    assert queue.woken_after == [pytest.approx(0.05)]
    # Full
    queue.messages = 12
    assert next_batch(5) == 10
    assert next_batch(5) == 0
    # The time is over
    queue.now += 0.06
    assert next_batch(5) == 2


def test_the_more_is_worked_on_the_longer_a_batch_gathers_up_to_a_limit() -> None:
    queue = SlowQueue(messages=1)
    next_batch = queue.batches()
    assert next_batch(0) == 1
    queue.messages, queue.now = 1, queue.now + 0.15
    assert next_batch(16) == 0
    assert next_batch(14) == 1
    queue.messages, queue.now = 1, queue.now + 0.21
    assert next_batch(1000) == 1


def test_a_policy_is_read_once_and_anew_where_it_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    from ministack.core import iam_evaluator

    # Given
    monkeypatch.setattr(iam_evaluator, "parse_policy_document", iam_evaluator.parse_policy_document)
    allow, deny = (
        json.dumps({"Statement": {"Effect": effect, "Action": "sqs:*", "Resource": "*"}})
        for effect in ("Allow", "Deny")
    )

    # When
    cache_policies()
    read = iam_evaluator.parse_policy_document

    # Then
    assert read(allow) is read(allow)
    assert [statement.effect for text in (allow, deny) for statement in read(text)] == ["Allow", "Deny"]
    assert read(json.loads(allow)) == read(allow)


def test_what_functions_log_is_kept_and_the_emulator_holds_the_newest_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ministack.services import cloudwatch_logs, lambda_svc

    # Given
    monkeypatch.setattr(lambda_svc, "_emit_lambda_logs", lambda_svc._emit_lambda_logs)
    monkeypatch.setattr(ministack_process, "STREAMS_AT_MOST", 2)
    log = FunctionLog(tmp_path / "functions.jsonl", "stack-")

    # When
    keep_function_logs(log)
    for number in range(3):
        lambda_svc._emit_lambda_logs({"config": {"FunctionName": "stack-api"}}, "1", f"line {number}", False, 1)

    log.close()

    # Then
    kept = [json.loads(line) for line in (tmp_path / "functions.jsonl").read_text().splitlines()]
    assert [(line["function"], line["text"]) for line in kept] == [("api", f"line {number}") for number in range(3)]
    streams = cloudwatch_logs._log_groups["/aws/lambda/stack-api"]["streams"].values()
    assert [stream["events"][1]["message"] for stream in streams] == ["line 1", "line 2"]


def test_a_disk_without_room_for_logs_ends_no_invocation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ministack.services import lambda_svc

    class Full(FunctionLog):
        def write(self, function: str, text: str) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(lambda_svc, "_emit_lambda_logs", lambda *_: None)
    keep_function_logs(Full(Path("none"), ""))
    lambda_svc._emit_lambda_logs({"FunctionName": "stack-api"}, "1", "text", False, 1)
    assert "A line of stack-api could not be kept: [Errno 28] No space left on device" in capsys.readouterr().err


def test_a_batch_needs_the_permission_of_a_single_call_as_on_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    from ministack.core import iam_actions

    def asked(service: str, target: str) -> object:
        return iam_actions.extract_iam_action(service, "POST", "/", {"x-amz-target": target}, b"", {})

    # Given an emulator that asks for a permission that AWS does not have
    monkeypatch.setattr(iam_actions, "extract_iam_action", iam_actions.extract_iam_action)  # put back afterwards
    assert asked("sqs", "AmazonSQS.SendMessageBatch") == "sqs:SendMessageBatch"

    # When it is changed
    authorize_batches_as_single_sends()

    # Then
    assert asked("sqs", "AmazonSQS.SendMessageBatch") == "sqs:SendMessage"
    assert asked("sqs", "AmazonSQS.SendMessage") == "sqs:SendMessage"
    assert asked("dynamodb", "DynamoDB_20120810.Query") == "dynamodb:Query"


def test_what_is_changed_in_the_emulator_is_there_to_be_changed() -> None:
    from ministack import app
    from ministack.core import concurrency, iam_evaluator, lambda_runtime
    from ministack.services import cloudwatch_logs, lambda_svc, sqs

    assert "_sqs._receive_messages_for_esm(queue_url, batch_size)" in inspect.getsource(lambda_svc._poll_sqs)
    assert "_esm_inflight.get(esm_id, 0)" in inspect.getsource(lambda_svc._poll_sqs)
    assert lambda_svc._esm_wake is concurrency.esm_wake
    assert "parse_policy_document(doc)" in inspect.getsource(iam_evaluator._gather_role_policies)
    assert list(inspect.signature(lambda_svc._emit_lambda_logs).parameters)[:3] == ["func", "request_id", "log_text"]
    assert 'group["streams"]' in inspect.getsource(lambda_svc._emit_lambda_logs)
    assert hasattr(cloudwatch_logs, "_log_groups")
    assert "from hypercorn.asyncio import serve as hypercorn_serve" in inspect.getsource(app.main)
    assert "asyncio.run(hypercorn_serve(app, config))" in inspect.getsource(app.main)
    assert lambda_runtime.subprocess.Popen
    assert lambda_svc._ESM_IDLE_WAKE_GAP_SECONDS == 0.05
    assert sqs._prune_dedup.__module__ == sqs.__name__


def test_no_two_batches_of_a_fifo_queue_hold_messages_of_one_group() -> None:
    from ministack.services import sqs

    # Given two messages of one order and one of another, of which the first is being worked on
    queue = {
        "is_fifo": True,
        "messages": [
            {"id": name, "group_id": name[0], "visible_at": 0, "receive_count": 0} for name in ("a1", "a2", "b1")
        ],
    }
    first = sqs._collect_msgs(queue, 1, 30)

    # When another batch is taken
    second = sqs._collect_msgs(queue, 10, 30)

    # Then the first order's next message waits
    assert ([each["id"] for each in first], [each["id"] for each in second]) == (["a1"], ["b1"])
