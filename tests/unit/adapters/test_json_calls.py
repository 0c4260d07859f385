"""Our calls of SQS and DynamoDB say on the wire what botocore's clients say, and fail as they fail."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from botocore.session import Session, get_session

from chalicelib.adapters.aws import json_calls
from chalicelib.adapters.aws.dynamo_calls import DynamoCalls
from chalicelib.adapters.aws.json_calls import JsonCalls
from chalicelib.adapters.aws.sqs_calls import SqsCalls
from chalicelib.adapters.connections import DynamoFollowers
from chalicelib.domain.errors import Unavailable
from chalicelib.ports.followers import Follower, TooManySubscriptions
from tests.fakes.http_server import answer, body_of, serving

URL = "/000000000000/orders"
ATTRIBUTES = {"requestId": {"DataType": "String", "StringValue": "ü"}}
CALLS: dict[str, dict[str, Any]] = {
    "send_message": {"MessageBody": "{}", "MessageAttributes": ATTRIBUTES, "MessageGroupId": "g", "DelaySeconds": 1},
    "send_message_batch": {"Entries": [{"Id": "1", "MessageBody": "a"}, {"Id": "2", "MessageBody": "b"}]},
    "change_message_visibility_batch": {"Entries": [{"Id": "1", "ReceiptHandle": "handle", "VisibilityTimeout": 0}]},
    "delete_message_batch": {"Entries": [{"Id": "1", "ReceiptHandle": "handle"}]},
    "change_message_visibility": {"ReceiptHandle": "handle", "VisibilityTimeout": 0},
    "get_queue_attributes": {"AttributeNames": ["ApproximateNumberOfMessages"]},
}


@dataclass
class Service:
    """Keeps what it is asked; answers in turn, the last answer again and again."""

    url: str = ""
    asked: list[tuple[dict[str, str], Any]] = field(default_factory=list)
    answers: list[tuple[int, bytes]] = field(default_factory=lambda: [(200, b"{}")])


@pytest.fixture
def sqs() -> Iterator[Service]:
    state = Service()

    def reply(request: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        state.asked.append((headers, json.loads(body_of(request))))
        status, said = state.answers.pop(0) if len(state.answers) > 1 else state.answers[0]
        answer(request, said, status)

    with serving(reply, "HTTP/1.1") as state.url:
        yield state


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setattr(json_calls, "PAUSE_SECONDS", 0.0)
    return get_session()


def calls(session: Session) -> SqsCalls:
    return SqsCalls(JsonCalls(session, "sqs", connect_seconds=5, read_seconds=5, connections=2))


def dynamo_calls(session: Session) -> DynamoCalls:
    return DynamoCalls(session, JsonCalls(session, "dynamodb", connect_seconds=5, read_seconds=5, connections=2))


@pytest.mark.parametrize("method", CALLS)
def test_it_says_what_botocore_says(
    sqs: Service, session: Session, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "f")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-2-3")
    parameters = {"QueueUrl": sqs.url + URL, **CALLS[method]}
    theirs: Any = session.create_client("sqs", endpoint_url=sqs.url, config=Config(retries={"total_max_attempts": 1}))
    getattr(theirs, method)(**parameters)
    getattr(calls(session), method)(**parameters)
    (their_headers, their_body), (our_headers, our_body) = sqs.asked
    assert our_body == their_body
    for name in ("x-amz-target", "content-type", "x-amz-security-token", "x-amzn-trace-id"):
        assert our_headers[name] == their_headers[name]
    scope = "/eu-west-1/sqs/aws4_request"
    assert our_headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=key/")
    assert scope in our_headers["authorization"]
    assert scope in their_headers["authorization"]


def test_the_signature_is_botocores_own(sqs: Service, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    signed = []
    real = SigV4Auth.add_auth

    def noted(signer: SigV4Auth, request: Any) -> None:
        signed.append(request.url)
        real(signer, request)

    monkeypatch.setattr(SigV4Auth, "add_auth", noted)
    calls(session).send_message(QueueUrl=sqs.url + URL, MessageBody="m")
    assert signed == [f"{sqs.url}/"]


def test_an_endpoint_that_is_set_goes_before_the_queues_own(
    sqs: Service, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", sqs.url)
    calls(session).send_message(QueueUrl="https://sqs.eu-west-1.amazonaws.com/1/q", MessageBody="m")
    assert sqs.asked[0][1]["QueueUrl"] == "https://sqs.eu-west-1.amazonaws.com/1/q"


@pytest.mark.parametrize("first", [(503, b""), (500, b"<html>"), (400, b'{"__type": "com.amazon#RequestThrottled"}')])
def test_what_may_pass_is_tried_once_more(sqs: Service, session: Session, first: tuple[int, bytes]) -> None:
    sqs.answers = [first, (200, b'{"MessageId": "1"}')]
    assert calls(session).send_message(QueueUrl=sqs.url + URL, MessageBody="m") == {"MessageId": "1"}
    sqs.answers = [first]
    with pytest.raises(ClientError):
        calls(session).send_message(QueueUrl=sqs.url + URL, MessageBody="m")
    assert len(sqs.asked) == 4


def test_a_refusal_has_the_code_and_the_sentence_of_sqs(sqs: Service, session: Session) -> None:
    sqs.answers = [(400, b'{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "No such queue."}')]
    with pytest.raises(ClientError, match="No such queue") as refused:
        calls(session).send_message(QueueUrl=sqs.url + URL, MessageBody="m")
    assert refused.value.response["Error"]["Code"] == "QueueDoesNotExist"
    assert len(sqs.asked) == 1


def test_nobody_there_and_no_credentials_are_botocores_errors(
    sqs: Service, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EndpointConnectionError):
        calls(session).send_message(QueueUrl="http://127.0.0.1:1/q", MessageBody="m")
    monkeypatch.setattr(session, "get_credentials", lambda: None)
    with pytest.raises(NoCredentialsError):
        calls(session).send_message(QueueUrl=sqs.url + URL, MessageBody="m")


FOLLOWER = Follower("ord_1", "c=", 0, datetime(2026, 11, 27, tzinfo=UTC), shown={"ord_2": 3})
OF_DYNAMODB: dict[str, Callable[[DynamoFollowers], object]] = {
    "PutItem": lambda followers: followers.add(replace(FOLLOWER, of_user=True)),
    "UpdateItem": lambda followers: followers.record(FOLLOWER, 2),
    "Query": lambda followers: followers.find("ord_1", "c="),
    "Scan": lambda followers: followers.sessions(),
    "DeleteItem": lambda followers: followers.remove("ord_1", "c="),
    "BatchWriteItem": lambda followers: followers.forget("c="),
}


@pytest.mark.parametrize("action", OF_DYNAMODB)
def test_pynamodb_says_the_same_by_our_calls_as_by_its_own_client(
    sqs: Service, session: Session, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", sqs.url)
    monkeypatch.setattr("chalicelib.adapters.connections._expiry", lambda: datetime(2026, 11, 27, tzinfo=UTC))
    sqs.answers = [(200, b'{"Items": [], "Attributes": {}, "Count": 0, "ScannedCount": 0}')]
    followers = DynamoFollowers("connections"), DynamoFollowers("connections", dynamo_calls(session))
    asked = []
    for each in followers:
        OF_DYNAMODB[action](each)
        asked.append([(headers["x-amz-target"], headers["content-type"], body) for headers, body in sqs.asked])
        sqs.asked.clear()
    theirs, ours = asked
    assert ours == theirs
    assert f"DynamoDB_20120810.{action}" in [target for target, _, _ in ours]


def test_dynamodb_s_refusals_are_understood(sqs: Service, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", sqs.url)
    followers = DynamoFollowers("connections", dynamo_calls(session))
    sqs.answers = [(400, b'{"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}')]
    with pytest.raises(TooManySubscriptions):
        followers.add(FOLLOWER)
    sqs.answers = [
        (400, b'{"__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", "message": "none"}')
    ]
    with pytest.raises(Unavailable, match="cannot be reached"):
        followers.of_order("ord_1")
    sqs.answers = [
        (400, b'{"__type": "com.amazon.coral.availability#ThrottlingException"}'),
        (200, b'{"Items": [], "Count": 0, "ScannedCount": 0}'),
    ]
    assert followers.of_order("ord_1") == []


@pytest.mark.parametrize("region", ["eu-west-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1"])
def test_without_an_endpoint_that_is_set_dynamodb_is_the_region_s(
    session: Session, region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    theirs: Any = get_session().create_client("dynamodb", config=Config(account_id_endpoint_mode="disabled"))
    assert dynamo_calls(get_session())._endpoint == theirs.meta.endpoint_url
