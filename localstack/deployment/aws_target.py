"""Where a stack is deployed. Without boto3, which takes a command half a second to import."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_REGION = "us-east-1"
# LocalStack's root. The emulator of `./dev up` has a key of its own at each start.
LOCALSTACK_KEY = "test"


@dataclass(frozen=True)
class Target:
    """An AWS account in a region, or an emulator's address and the key that it takes."""

    name: str
    region: str = DEFAULT_REGION
    endpoint_url: str | None = None
    access_key: str = field(default=LOCALSTACK_KEY, repr=False)

    @property
    def environment(self) -> Mapping[str, str]:
        """What leads an AWS tool to an emulator, and to no profile, region or address of something else."""
        if self.endpoint_url is None:
            return {}
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.access_key,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def template_url(self, bucket: str, key: str) -> str:
        """Where CloudFormation fetches an uploaded template."""
        if self.endpoint_url:
            return f"{self.endpoint_url}/{bucket}/{key}"
        suffix = "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"
        # In the path, as `aws cloudformation package` and `sam deploy` write it: the only form that MiniStack reads.
        return f"https://s3.{self.region}.{suffix}/{bucket}/{key}"
