"""Local paths in templates."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from localstack.packaging import template
from localstack.packaging.template import Uploaded


@dataclass
class Uploads:
    """Remembers what was uploaded."""

    folders: list[Path] = field(default_factory=list)
    templates: list[Path] = field(default_factory=list)

    def code(self, folder: Path) -> Uploaded:
        self.folders.append(folder)
        return Uploaded("bucket", f"{folder.name}.zip", f"https://bucket/{folder.name}.zip")

    def template(self, path: Path) -> Uploaded:
        self.templates.append(path)
        return Uploaded("bucket", path.name, f"https://bucket/{path.name}")


TEMPLATE = """
AWSTemplateFormatVersion: 2010-09-09
Globals:
  Function: { CodeUri: functions/, Runtime: !Ref Runtime }
Resources:
  Api:
    Type: AWS::Serverless::Function
    Properties: { Environment: { Variables: { URL: !Sub "${Queue}", NAME: !GetAtt Queue.QueueName } } }
  Migrate:
    Type: AWS::Serverless::Function
    Properties: { CodeUri: infra/migrations }
  Elsewhere:
    Type: AWS::Serverless::Function
    Properties: { CodeUri: "s3://bucket/key" }
  Network:
    Type: AWS::CloudFormation::Stack
    Condition: OnAws
    Properties: { TemplateURL: infra/network.yaml, Parameters: { A: !If [X, 1, !Ref "AWS::NoValue"] } }
  Queue: { Type: AWS::SQS::Queue }
"""


def test_paths_become_uploads_and_intrinsics_stay(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    uploads = Uploads()
    resolved = json.loads(template.resolve(tmp_path / "template.yaml", uploads))
    resources = resolved["Resources"]
    assert resolved["AWSTemplateFormatVersion"] == "2010-09-09"
    assert resolved["Globals"]["Function"] == {
        "CodeUri": {"Bucket": "bucket", "Key": "functions.zip"},
        "Runtime": {"Ref": "Runtime"},
    }
    assert resources["Api"]["Properties"]["Environment"]["Variables"] == {
        "URL": {"Fn::Sub": "${Queue}"},
        "NAME": {"Fn::GetAtt": ["Queue", "QueueName"]},
    }
    assert resources["Migrate"]["Properties"]["CodeUri"] == {"Bucket": "bucket", "Key": "migrations.zip"}
    assert resources["Elsewhere"]["Properties"]["CodeUri"] == "s3://bucket/key"
    assert resources["Network"]["Properties"] == {
        "TemplateURL": "https://bucket/network.yaml",
        "Parameters": {"A": {"Fn::If": ["X", 1, {"Ref": "AWS::NoValue"}]}},
    }
    assert uploads.folders == [tmp_path / "functions", tmp_path / "infra" / "migrations"]
    assert uploads.templates == [tmp_path / "infra" / "network.yaml"]
