"""Run as a script, with the functions' folder as its first argument: what the Chalice app says about itself.

`app_facts.py FOLDER template` prints the template that `chalice package` would write (without building the artifact).
`app_facts.py FOLDER build` reads pairs of a handler and an environment, builds what the handler's process builds at its
start, and prints for each what went wrong: a setting that is missing, or nothing.
"""

import importlib
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from chalice.awsclient import TypedAWSClient

FOLDER = Path(sys.argv[1])
sys.path.insert(0, str(FOLDER))


def packaged() -> object:
    """The template that Chalice generates from the decorators."""
    from chalice.config import Config
    from chalice.deploy import models
    from chalice.deploy.appgraph import ApplicationGraphBuilder, DependencyBuilder
    from chalice.deploy.deployer import BuildStage, SwaggerBuilder
    from chalice.deploy.swagger import CFNSwaggerGenerator
    from chalice.package import PackageOptions, SAMTemplateGenerator

    import app

    config = Config.create(
        chalice_app=app.app,
        app_name="app",
        project_dir=str(FOLDER),
        api_gateway_stage="live",
        manage_iam_role=False,
        iam_role_arn="arn:aws:iam::000000000000:role/any",
        lambda_functions={},
    )
    resources = DependencyBuilder().build_dependencies(ApplicationGraphBuilder().build(config, "live"))
    BuildStage([SwaggerBuilder(CFNSwaggerGenerator())]).execute(config, resources)
    for resource in resources:
        if isinstance(resource, models.LambdaFunction):
            resource.deployment_package.filename = "artifact.zip"
    client = SimpleNamespace(
        endpoint_dns_suffix=lambda *_names: "amazonaws.com",
        service_principal=lambda *_names: "lambda.amazonaws.com",
        region_name="us-east-1",
        partition_name="aws",
    )
    options = PackageOptions(cast("TypedAWSClient", client))
    return SAMTemplateGenerator(config, options).generate(resources)


def build(handler: str, environment: dict[str, str]) -> str:
    """Builds what the handler's process builds at its start; what went wrong, or nothing."""
    from chalicelib import bootstrap
    from chalicelib.handlers import prepare

    os.environ.clear()
    os.environ.update(environment)
    # Anew: everything is built once per process.
    importlib.reload(bootstrap)
    try:
        bootstrap.telemetry()
        prepare._BY_HANDLER[f"app.{handler}"]()
    except Exception as error:  # noqa: BLE001 - told to the test
        return f"{type(error).__name__}: {error}"
    return ""


if sys.argv[2] == "template":
    print(json.dumps(packaged()))
else:
    print(json.dumps([build(handler, environment) for handler, environment in json.load(sys.stdin)]))
