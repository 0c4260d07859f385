"""Deploying on the emulator: changes, and failures that name their reason."""

from dataclasses import replace
from pathlib import Path

import pytest

from localstack.deployment.aws_clients import Clients
from localstack.errors import UserError
from localstack.local_stack import cloudformation
from localstack.local_stack.cloudformation import Deployment

# In one process: what is set up once is used by all.
pytestmark = pytest.mark.xdist_group("emulator")

QUEUE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Retention: { Type: String, Default: "60" }
Resources:
  Queue: { Type: AWS::SQS::Queue, Properties: { MessageRetentionPeriod: !Ref Retention } }
Outputs:
  QueueUrl: { Value: !Ref Queue }
"""


def deployment(folder: Path, template: str, name: str, **parameters: str) -> Deployment:
    (folder / "template.yaml").write_text(template)
    return Deployment(name=name, path=folder / "template.yaml", parameters=parameters, bucket="deployment")


def retention(clients: Clients, outputs: cloudformation.Outputs) -> str:
    attributes = clients.sqs.get_queue_attributes(
        QueueUrl=outputs["QueueUrl"], AttributeNames=["MessageRetentionPeriod"]
    )
    return attributes["Attributes"]["MessageRetentionPeriod"]


def test_a_stack_is_created_changed_and_left_alone(clients: Clients, tmp_path: Path) -> None:
    wanted = deployment(tmp_path, QUEUE, "changes", Retention="120")
    outputs = cloudformation.deploy(clients, wanted)
    assert retention(clients, outputs) == "120"
    assert cloudformation.deploy(clients, wanted) == outputs
    changed = cloudformation.deploy(clients, replace(wanted, parameters={"Retention": "180"}))
    assert changed == outputs
    assert retention(clients, changed) == "180"


def test_a_failure_names_the_resource_and_its_reason(clients: Clients, tmp_path: Path) -> None:
    broken = QUEUE.replace(
        "Outputs:",
        """
  Broken:
    Type: AWS::CloudFormation::Stack
    Properties: { TemplateURL: "https://s3.amazonaws.com/deployment/no-such.template" }
Outputs:
""",
    )
    with pytest.raises(UserError, match=r"(?s)broken could not be deployed.*Broken.*no-such\.template"):
        cloudformation.deploy(clients, deployment(tmp_path, broken, "broken"))
    # What failed at its first deployment can't be updated: it is made anew.
    assert cloudformation.deploy(clients, deployment(tmp_path, QUEUE, "broken"))["QueueUrl"]


def test_a_template_that_is_refused(clients: Clients, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="refuses"):
        cloudformation.deploy(clients, deployment(tmp_path, QUEUE.replace(', Default: "60"', ""), "refused"))


def test_code_that_is_not_there(clients: Clients, tmp_path: Path) -> None:
    function = QUEUE.replace(
        "Outputs:",
        """
  Function:
    Type: AWS::Serverless::Function
    Properties: { CodeUri: nowhere/, Handler: app.app, Runtime: python3.12 }
Outputs:
""",
    )
    with pytest.raises(UserError, match="nowhere as a function's code, and there is no such folder"):
        cloudformation.deploy(clients, deployment(tmp_path, function, "codeless"))


def test_an_output_that_is_not_there(clients: Clients, tmp_path: Path) -> None:
    outputs = cloudformation.deploy(clients, deployment(tmp_path, QUEUE, "outputs"))
    with pytest.raises(UserError, match="has no output RestApiUrl"):
        _ = outputs.rest_url
