"""Run as a script, with the functions' folder as its first argument: what the Chalice app says about itself.

`app_facts.py FOLDER template` prints the template that `chalice package` would write (without building the artifact).
`app_facts.py FOLDER build` reads pairs of a handler and an environment, builds every adapter that the handler asks
`bootstrap` for, and prints for each what went wrong: a setting that is missing, or nothing.
"""

import ast
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


def asked_for(handler: str) -> set[str]:
    """The names that the handler's module, and what observes every call, take from bootstrap."""
    module, _, function = handler.partition("_") if handler.startswith("websocket_") else (handler, "", "")
    path = FOLDER / "chalicelib" / "handlers" / f"{'api' if module == 'app' else module}.py"
    if not path.exists():
        return set()
    body = [
        node
        for node in ast.parse(path.read_text()).body
        if not function or not isinstance(node, ast.FunctionDef) or node.name == function
    ]
    observing = ast.parse((path.parent / "observe.py").read_text()).body
    return {
        node.func.attr
        for part in (*body, *observing)
        for node in ast.walk(part)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "bootstrap"
    }


def build(handler: str, environment: dict[str, str]) -> str:
    """Builds what the handler uses; what went wrong, or nothing."""
    from chalicelib import bootstrap

    os.environ.clear()
    os.environ.update(environment)
    # Anew: everything is built once per process.
    fresh = importlib.reload(bootstrap)
    names = sorted(asked_for(handler))
    if not names:
        return f"chalicelib/handlers has no module of {handler} that uses bootstrap."
    try:
        for name in names:
            getattr(fresh, name)()
    except Exception as error:  # noqa: BLE001 - told to the test
        return f"{type(error).__name__}: {error}"
    return ""


if sys.argv[2] == "template":
    print(json.dumps(packaged()))
else:
    print(json.dumps([build(handler, environment) for handler, environment in json.load(sys.stdin)]))
