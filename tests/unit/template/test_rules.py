"""Which parameters CloudFormation refuses before it makes anything."""

import re

import pytest

from tests.unit.infra.sam import Stack, source

LAPTOP = {"GatewayBaseUrl": "http://127.0.0.1:4566/_aws/execute-api"}
JWT = {"AuthMode": "jwt", "AuthIssuer": "https://login.example.com/"}
KEYS, FETCHED = {"AuthKeys": '{"keys": []}'}, {"AuthJwksUrl": "https://login.example.com/jwks.json"}
CONSENT = {"OpenToAnybody": "yes"}


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "consent with OpenToAnybody=yes"),
        ({"OpenToAnybody": "no"}, "consent with OpenToAnybody=yes"),
        # Keys alone don't ask anybody for a token.
        ({"AuthMode": "open", "AuthIssuer": "https://login.example.com/", **KEYS}, "consent with OpenToAnybody=yes"),
        ({"PublicUrl": "http://localhost:3000"}, "consent with OpenToAnybody=yes"),
        ({**JWT, **KEYS, "AuthIssuer": ""}, "needs AuthIssuer"),
        ({**JWT, **FETCHED, "AuthIssuer": ""}, "needs AuthIssuer"),
        ({**JWT, **KEYS, "AuthAudience": ""}, "needs AuthAudience"),
        (JWT, "needs keys"),
        ({**JWT, **CONSENT}, "needs keys"),
        ({**JWT, **KEYS, "AllowedOrigins": "*"}, "takes no AllowedOrigins=*"),
        ({**JWT, **FETCHED, **CONSENT, "AllowedOrigins": "*"}, "takes no AllowedOrigins=*"),
    ],
)
def test_a_stack_that_would_let_the_wrong_in_is_refused_with_one_sentence(
    parameters: dict[str, str], said: str
) -> None:
    (sentence,) = Stack("template.yaml", parameters).refusals
    assert said in sentence


@pytest.mark.parametrize("parameters", [{**JWT, "AuthIssuer": ""}, {**JWT, **KEYS, "AllowedOrigins": "*"}])
def test_a_laptop_s_jwt_mode_is_refused_as_aws_s(parameters: dict[str, str]) -> None:
    refused = Stack("template.yaml", parameters).refusals
    assert refused
    assert Stack("template.yaml", {**parameters, **LAPTOP}).refusals == refused


def test_a_jwt_mode_that_names_nothing_is_told_of_everything_at_once() -> None:
    stack = Stack("template.yaml", {"AuthMode": "jwt", "AuthAudience": "", "AllowedOrigins": "*"})
    assert len(stack.refusals) == 4


@pytest.mark.parametrize(
    "parameters",
    [
        CONSENT,
        {**CONSENT, "AllowedOrigins": "*"},
        LAPTOP,
        {**LAPTOP, "AllowedOrigins": "*"},
        {**JWT, **KEYS},
        {**JWT, **FETCHED},
        {**JWT, **KEYS, **FETCHED},
        {**JWT, **KEYS, "AllowedOrigins": "https://desk.example.com"},
        {**JWT, **KEYS, **LAPTOP},
        {**JWT, **KEYS, **CONSENT},
    ],
)
def test_what_says_who_may_call_is_accepted(parameters: dict[str, str]) -> None:
    assert Stack("template.yaml", parameters).refusals == []


@pytest.mark.parametrize(
    ("url", "is_taken"),
    [
        ("", True),
        ("https://login.example.com/.well-known/jwks.json?v=1", True),
        ("http://127.0.0.1:9000/keys", True),
        ("file:///etc/passwd", False),
        ("ftp://login.example.com/keys", False),
        ("data:application/json,{}", False),
        ("//login.example.com/keys", False),
        ("https://user:word@login.example.com/keys", False),
        ("https://login.example.com/keys#there", False),
        ("https://login.example.com/keys\nX: y", False),
        (" https://login.example.com/keys", False),
    ],
)
def test_keys_are_fetched_from_a_web_address_alone(url: str, is_taken: bool) -> None:
    pattern = source("template.yaml")["Parameters"]["AuthJwksUrl"]["AllowedPattern"]
    assert (re.fullmatch(pattern, url) is not None) is is_taken
