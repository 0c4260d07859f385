"""What an account's quotas mean for a deployment, said before it."""

from collections.abc import Mapping
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from localstack.deployment.preflight import connections_of, preflight
from localstack.packaging import template
from localstack.paths import ROOT

DEFAULTS = {name: declared.default for name, declared in template.parameters(ROOT / "template.yaml").items()}
FREE = {"DatabaseInstanceClass": "db.t4g.micro", "DatabaseBackupDays": "1", "ApiConnections": "20"}


def an_account(
    executions: int = 1000, plan: str = "PAID", region: str = "eu-central-1", errors: Mapping[str, str] | None = None
) -> Any:
    """Makes clients that answer as an account does; `errors` are codes by service."""

    def client(service: str, region_name: str = region) -> Any:
        made = boto3.client(service, region_name=region_name, aws_access_key_id="a", aws_secret_access_key="b")
        stub = Stubber(made)
        limits = {"ConcurrentExecutions": executions, "UnreservedConcurrentExecutions": executions}
        state = {"accountId": "0" * 12, "accountPlanType": plan, "accountPlanStatus": "ACTIVE"}
        answers: dict[str, tuple[str, dict[str, Any]]] = {
            "lambda": ("get_account_settings", {"AccountLimit": limits}),
            "freetier": ("get_account_plan_state", state),
        }
        operation, answer = answers[service]
        if service in (errors or {}):
            stub.add_client_error(operation, (errors or {})[service])
        else:
            stub.add_response(operation, answer)
        stub.activate()
        return made

    return client


def said(account: Any, **parameters: str) -> list[str]:
    return preflight(account, {**DEFAULTS, **parameters})


def test_the_defaults_fit_a_grown_account() -> None:
    assert said(an_account()) == []


def test_a_fresh_account_is_told_which_concurrency_fits() -> None:
    (sentence,) = said(an_account(executions=10))
    assert "runs 10 functions at once" in sentence
    assert "WorkerConcurrency=2, or ask AWS" in sentence
    assert said(an_account(executions=10), WorkerConcurrency="2") == []


def test_an_account_that_fits_nothing_is_told_to_ask() -> None:
    (sentence,) = said(an_account(executions=5), WorkerConcurrency="2")
    assert ": ask AWS for more" in sentence


@pytest.mark.parametrize(("executions", "fits"), [(10, False), (159, False), (160, True)])
def test_what_aws_would_not_reserve(executions: int, fits: bool) -> None:
    sentences = said(
        an_account(executions), WorkerConcurrency="2", ApiReservedConcurrency="50", WorkerReservedConcurrency="10"
    )
    assert bool(sentences) != fits
    assert all("can't be reserved" in sentence for sentence in sentences)


@pytest.mark.parametrize(
    ("instance_class", "workers", "calls", "fits"),
    [
        ("db.t4g.small", "10", "60", True),
        ("db.t4g.small", "20", "55", True),
        ("db.t4g.small", "40", "60", False),
        ("db.t4g.micro", "10", "60", False),
        ("db.t4g.micro", "2", "20", True),
        ("db.t4g.medium", "40", "120", True),
        ("db.r6g.12xlarge", "40", "1000", True),
        ("db.x2g.large", "2", "20", False),  # not known
    ],
)
def test_budgets_of_connections_fit_the_class(instance_class: str, workers: str, calls: str, fits: bool) -> None:
    sentences = said(
        an_account(), DatabaseInstanceClass=instance_class, WorkerConcurrency=workers, ApiConnections=calls
    )
    assert not sentences if fits else instance_class in sentences[0]


def test_connections_grow_with_the_class_up_to_rds_s_limit() -> None:
    classes = ("db.t4g.micro", "db.t4g.small", "db.m7g.large", "db.r6g.2xlarge", "db.r6g.16xlarge", "db.r6g.24xlarge")
    counts = [connections_of(each) or 0 for each in classes]
    assert counts == sorted(counts)
    assert counts[0] > 0
    assert counts[-2:] == [4990, 4990]


def test_a_free_plan_is_told_what_it_takes() -> None:
    (sentence,) = said(an_account(plan="FREE"))
    assert "DatabaseInstanceClass=db.t4g.micro DatabaseBackupDays=1" in sentence
    assert said(an_account(plan="FREE"), WorkerConcurrency="2", **FREE) == []


def test_an_account_older_than_the_plans_has_none() -> None:
    assert said(an_account(errors={"freetier": "ResourceNotFoundException"})) == []


def test_what_may_not_be_read_is_said_and_stops_nothing() -> None:
    executions, plan = said(an_account(errors={"lambda": "AccessDenied", "freetier": "AccessDenied"}))
    assert "could not be read" in executions
    assert "could not be read" in plan


@pytest.mark.parametrize(("tls", "expected"), [("verify-full", 1), ("require", 0)])
def test_another_partition_needs_its_own_authorities(tls: str, expected: int) -> None:
    sentences = said(an_account(region="cn-north-1"), DatabaseTls=tls)
    assert len(sentences) == expected
    assert all("not those of aws-cn" in sentence for sentence in sentences)


def test_a_database_of_ones_own_is_ones_own_business() -> None:
    sentences = said(an_account(plan="FREE"), DatabaseUrl="postgresql://db/orders", DatabaseInstanceClass="db.x.y")
    assert sentences == []
