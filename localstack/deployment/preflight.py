"""What an AWS account would refuse, or starve: said before a deployment, not a quarter of an hour into it."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localstack.packaging.authorities import file_of
from localstack.paths import ROOT

# RDS: LEAST(DBInstanceClassMemory / 9531392, 5000), and the variable is what the system and RDS's own processes leave.
_BYTES_PER_CONNECTION = 9_531_392
_MOST_CONNECTIONS = 5_000
_SHARE_LEFT = 0.7
_GIB = 2**30
# Superusers' three, RDS's own two; then the migrations, and whoever looks by hand.
_RESERVED_BY_RDS = 5
_FOR_THE_OWNER = 5
_LARGE_GIB = {"t": 8, "m": 8, "r": 16}
_BELOW_LARGE = {"micro": 1 / 8, "small": 1 / 4, "medium": 1 / 2, "large": 1.0, "xlarge": 2.0}
# AWS keeps so many of an account's concurrent executions out of reach of reservations.
_UNRESERVABLE = 100
# Beside workers and pushers, each as many as WorkerConcurrency: two dead-letter calls, reconcile, heartbeat. The
# watcher's beats take a twentieth of a second each and fit between.
_OTHER_FUNCTIONS = 4
# At least a fifth of the executions is left to clients' calls.
_SHARE_FOR_ORDERS = 0.8
_WORKER_CHOICES = (2, 5, 10, 20, 40)
# What a free plan takes, as far as AWS documents it.
_FREE_CLASSES = ("db.t4g.micro", "db.t3.micro")
_FREE_BACKUP_DAYS = 1

# Makes a client of a service, as `boto3.Session.client` does.
MakeClient = Callable[..., Any]


def connections_of(instance_class: str) -> int | None:
    """How many connections an RDS class gives to the functions' roles; None for a class that isn't known."""
    found = re.fullmatch(r"db\.([a-z])\d[a-z]*\.(?:(\d+)xlarge|(micro|small|medium|large|xlarge))", instance_class)
    if found is None or found[1] not in _LARGE_GIB:
        return None
    size = float(found[2]) * 2 if found[2] else _BELOW_LARGE[found[3]]
    most = min(int(_LARGE_GIB[found[1]] * size * _GIB * _SHARE_LEFT / _BYTES_PER_CONNECTION), _MOST_CONNECTIONS)
    return most - _RESERVED_BY_RDS - _FOR_THE_OWNER


def worker_connections(batches: int) -> int:
    """The budget of the role that executes orders: two a batch, six for its other functions, and as much again for the
    environments of the version before (template.yaml, Mappings)."""
    return 2 * (2 * batches + 6)


def preflight(client: MakeClient, parameters: Mapping[str, str]) -> list[str]:
    """Sentences for whoever is about to deploy to AWS, each with what to do; none where nothing stands against it.

    Only reads, and raises nothing: what can't be read is a sentence, too. `parameters` are all of template.yaml's,
    those that stay at their defaults included. To be called before the question whether to deploy:

        for sentence in preflight(boto3.Session(region_name=region).client, parameters):
            console.print(sentence)
    """
    sentences = _concurrency(client, parameters)
    if not parameters["DatabaseUrl"]:
        sentences += [*_connections(parameters), *_authorities(client, parameters), *_free_plan(client, parameters)]
    return sentences


def _concurrency(client: MakeClient, parameters: Mapping[str, str]) -> list[str]:
    try:
        limit = client("lambda").get_account_settings()["AccountLimit"]
    except (ClientError, BotoCoreError) as error:
        return [f"How many functions this account may run at once could not be read ({error}): look at it yourself."]
    most, unreserved = int(limit["ConcurrentExecutions"]), int(limit["UnreservedConcurrentExecutions"])
    sentences: list[str] = []
    batches = int(parameters["WorkerConcurrency"])
    if 2 * batches + _OTHER_FUNCTIONS > most * _SHARE_FOR_ORDERS:
        fitting = [each for each in _WORKER_CHOICES if 2 * each + _OTHER_FUNCTIONS <= most * _SHARE_FOR_ORDERS]
        remedy = f"deploy with WorkerConcurrency={fitting[-1]}, or ask" if fitting else "ask"
        sentences.append(
            f"This account runs {most} functions at once, and WorkerConcurrency={batches} may take "
            f"{2 * batches + _OTHER_FUNCTIONS} of them, so that clients are refused under load: {remedy} AWS for more "
            "(Service Quotas, AWS Lambda, Concurrent executions)."
        )
    wanted = {
        name: int(parameters[name])
        for name in ("ApiReservedConcurrency", "WorkerReservedConcurrency")
        if parameters[name]
    }
    if wanted and unreserved - sum(wanted.values()) < _UNRESERVABLE:
        names = " and ".join(f"{name}={value}" for name, value in wanted.items())
        sentences.append(
            f"{names} can't be reserved: AWS leaves {_UNRESERVABLE} of the account's {unreserved} unreserved "
            "executions to all functions. Deploy without; Postgres' connections are limited in any case."
        )
    return sentences


def _connections(parameters: Mapping[str, str]) -> list[str]:
    instance_class, batches = parameters["DatabaseInstanceClass"], int(parameters["WorkerConcurrency"])
    clients, workers = int(parameters["ApiConnections"]), worker_connections(batches)
    have = connections_of(instance_class)
    if have is None:
        needed = clients + workers + _RESERVED_BY_RDS + _FOR_THE_OWNER
        return [f"How many connections a {instance_class} has is not known here: it needs max_connections of {needed}."]
    if clients + workers <= have:
        return []
    sentence = (
        f"A {instance_class} has about {have} connections for the functions, and ApiConnections={clients} with "
        f"WorkerConcurrency={batches} may use {clients + workers}: take a larger DatabaseInstanceClass or less of them."
    )
    return [sentence]


def _authorities(client: MakeClient, parameters: Mapping[str, str]) -> list[str]:
    meta = client("lambda").meta
    partition, file = meta.partition, file_of(meta.region_name)
    if partition == "aws" or parameters["DatabaseTls"] != "verify-full" or (ROOT / "functions" / file).is_file():
        return []
    sentence = (
        f"The artifact has RDS's authorities of AWS's own partition, not those of {partition}: put them into "
        f"functions/{file} and infra/migrations/{file}, or functions can't connect (docs/deployment.md)."
    )
    return [sentence]


def _free_plan(client: MakeClient, parameters: Mapping[str, str]) -> list[str]:
    asked = {name: parameters[name] for name in ("DatabaseInstanceClass", "DatabaseBackupDays")}
    if asked["DatabaseInstanceClass"] in _FREE_CLASSES and int(asked["DatabaseBackupDays"]) <= _FREE_BACKUP_DAYS:
        return []
    remedy = (
        f"takes {' or '.join(_FREE_CLASSES)} and {_FREE_BACKUP_DAYS} day of backups: deploy with "
        f"DatabaseInstanceClass={_FREE_CLASSES[0]} DatabaseBackupDays={_FREE_BACKUP_DAYS} WorkerConcurrency=2 "
        "ApiConnections=20."
    )
    try:
        plan = client("freetier", region_name="us-east-1").get_account_plan_state()["accountPlanType"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":  # an account older than the plans
            return []
        return [f"Whether this account has a free plan could not be read ({error}). Such a plan {remedy}"]
    except BotoCoreError as error:
        return [f"Whether this account has a free plan could not be read ({error}). Such a plan {remedy}"]
    return [f"This account's free plan {remedy}"] if plan == "FREE" else []
