"""The bucket that a stack's code and nested templates are uploaded to, one for each stack."""

import hashlib
import json
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from localstack.errors import LocalStackError
from localstack.target import DEFAULT_REGION, Clients

if TYPE_CHECKING:
    from mypy_boto3_s3.literals import BucketLocationConstraintType
    from mypy_boto3_s3.type_defs import CreateBucketConfigurationTypeDef, ObjectIdentifierTypeDef

_TAG = "order-engine:artifacts-of"
_LONGEST_NAME = 63


def name_for(stack_name: str, account: str, region: str) -> str:
    """The bucket's name: the same for the same stack, and nobody else's."""
    suffix = f"-artifacts-{account}-{region}"
    stem = stack_name.lower()
    room = _LONGEST_NAME - len(suffix)
    if len(stem) > room:
        stem = f"{stem[: room - 7]}-{hashlib.sha256(stack_name.encode()).hexdigest()[:6]}"
    return stem + suffix


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def exists(clients: Clients, name: str) -> bool:
    """Whether the bucket is there and ours; raises LocalStackError where it is another account's."""
    try:
        clients.s3.head_bucket(Bucket=name)
    except ClientError as error:
        if _code(error) in ("404", "NoSuchBucket", "NotFound"):
            return False
        if _code(error) in ("403", "AccessDenied", "Forbidden"):
            raise LocalStackError(
                f"The bucket {name} can't be used: it is another account's, or these credentials may not use S3. "
                "Choose another with --bucket."
            ) from error
        raise
    return True


def ensure(clients: Clients, name: str, stack_name: str) -> bool:
    """Makes the bucket where it is missing: private, TLS only, marked as made for this stack. Whether it was made.

    Raises LocalStackError where the bucket is another account's.
    """
    if exists(clients, name):
        return False
    region = clients.target.region
    if region == DEFAULT_REGION:
        clients.s3.create_bucket(Bucket=name)
    else:
        place: BucketLocationConstraintType = region  # type: ignore[assignment]  # the stubs list those of their day
        configuration: CreateBucketConfigurationTypeDef = {"LocationConstraint": place}
        clients.s3.create_bucket(Bucket=name, CreateBucketConfiguration=configuration)
    clients.s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": _TAG, "Value": stack_name}]})
    clients.s3.put_public_access_block(
        Bucket=name,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    if clients.s3.meta.endpoint_url.startswith("https://"):  # emulators speak plain HTTP
        partition = "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"
        arn = f"arn:{partition}:s3:::{name}"
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "TlsOnly",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": [arn, f"{arn}/*"],
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                }
            ],
        }
        clients.s3.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
    return True


def was_made_for(clients: Clients, name: str, stack_name: str) -> bool:
    """Whether `ensure` made this bucket for this stack, so that it may go with it."""
    if not exists(clients, name):
        return False
    try:
        tags = clients.s3.get_bucket_tagging(Bucket=name)["TagSet"]
    except ClientError as error:
        if _code(error) == "NoSuchTagSet":
            return False
        raise
    return {"Key": _TAG, "Value": stack_name} in tags


def remove(clients: Clients, name: str) -> None:
    """Deletes the bucket with everything in it, every version. Raises botocore's errors."""
    for page in clients.s3.get_paginator("list_object_versions").paginate(Bucket=name):
        objects: list[ObjectIdentifierTypeDef] = [
            {"Key": item["Key"], "VersionId": item["VersionId"]}
            for item in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
        ]
        if objects:
            clients.s3.delete_objects(Bucket=name, Delete={"Objects": objects, "Quiet": True})
    clients.s3.delete_bucket(Bucket=name)
