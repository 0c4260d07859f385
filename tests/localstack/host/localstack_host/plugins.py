"""The plugins, as LocalStack finds them by their entry points; what they need is imported when it asks for it."""

from localstack.services.cloudformation.resource_provider import CloudFormationResourceProviderPlugin
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.plugins import Service, aws_provider


class HostExecutorPlugin(RuntimeExecutorPlugin):
    """Lambda functions as child processes instead of containers."""

    name = "host"

    def load(self, *_args: object, **_settings: object) -> type:
        from localstack_host.executor import HostExecutor

        return HostExecutor


class CustomResourcePlugin(CloudFormationResourceProviderPlugin):
    """`Custom::…` resources, which LocalStack has in its paid edition only."""

    name = "AWS::CloudFormation::CustomResource"

    def load(self) -> None:
        from localstack_host.custom_resource import CustomResource

        self.factory = CustomResource


@aws_provider(api="dynamodb", name="moto")
def dynamodb_on_moto() -> Service:
    """DynamoDB on the moto that LocalStack ships, instead of Amazon's local DynamoDB, which is a download."""
    from localstack.aws.api.dynamodb import DynamodbApi
    from localstack.services.moto import MotoFallbackDispatcher

    class Provider(DynamodbApi):
        pass

    return Service.for_provider(Provider(), dispatch_table_factory=MotoFallbackDispatcher)
