"""A custom resource as CloudFormation handles it: calls the function, which puts its answer to a signed address."""

import json
import time
from urllib.parse import urlsplit, urlunsplit

from localstack.services.cloudformation.resource_provider import (
    OperationStatus,
    ProgressEvent,
    ResourceProvider,
    ResourceRequest,
)

_BUCKET = "localstack-host-custom-resources"
_LIMIT_SECONDS = 330


class CustomResource(ResourceProvider):
    """Creates, updates and deletes by the resource's own function. Its id is what the function answers."""

    TYPE = "AWS::CloudFormation::CustomResource"
    SCHEMA = {"typeName": TYPE, "primaryIdentifier": ["/properties/Id"], "properties": {}}  # noqa: RUF012

    def create(self, request: ResourceRequest) -> ProgressEvent:
        return _ask(request, "Create", {})

    def update(self, request: ResourceRequest) -> ProgressEvent:
        old = dict(request.previous_state or {})
        return _ask(request, "Update", {"PhysicalResourceId": old.pop("Id", ""), "OldResourceProperties": old})

    def delete(self, request: ResourceRequest) -> ProgressEvent:
        state = request.previous_state or request.desired_state
        return _ask(request, "Delete", {"PhysicalResourceId": state.get("Id", "")})


def _ask(request: ResourceRequest, kind: str, more: dict[str, object]) -> ProgressEvent:
    properties = {name: value for name, value in request.desired_state.items() if name != "Id"}
    s3 = request.aws_client_factory.s3
    key = f"{request.logical_resource_id}/{time.time_ns()}"
    s3.create_bucket(Bucket=_BUCKET)
    try:
        address = s3.generate_presigned_url("put_object", Params={"Bucket": _BUCKET, "Key": key}, ExpiresIn=3600)
        # The client inside of LocalStack signs for a host that only it knows.
        address = urlunsplit(("http", "127.0.0.1:" + str(urlsplit(s3.meta.endpoint_url).port), *urlsplit(address)[2:]))
        event = {
            "RequestType": kind,
            "ResponseURL": address,
            "StackId": request.stack_id,
            "RequestId": key,
            "ResourceType": request.resource_type,
            "LogicalResourceId": request.logical_resource_id,
            "ResourceProperties": properties,
            **more,
        }
        request.aws_client_factory.lambda_.invoke(
            FunctionName=properties["ServiceToken"], InvocationType="Event", Payload=json.dumps(event)
        )
        answer = _answer(s3, key)
    finally:
        for item in s3.list_objects_v2(Bucket=_BUCKET).get("Contents", []):
            s3.delete_object(Bucket=_BUCKET, Key=item["Key"])
        s3.delete_bucket(Bucket=_BUCKET)
    if answer["Status"] != "SUCCESS":
        return ProgressEvent(OperationStatus.FAILED, resource_model={}, message=answer["Reason"])
    model = {**properties, **answer.get("Data", {}), "Id": answer["PhysicalResourceId"]}
    return ProgressEvent(OperationStatus.SUCCESS, resource_model=model)


def _answer(s3: object, key: str) -> dict[str, object]:
    deadline = time.monotonic() + _LIMIT_SECONDS
    while time.monotonic() < deadline:
        try:
            return json.loads(s3.get_object(Bucket=_BUCKET, Key=key)["Body"].read())
        except s3.exceptions.NoSuchKey:
            time.sleep(0.2)
    return {"Status": "FAILED", "Reason": f"The function did not answer within {_LIMIT_SECONDS} s."}
