"""Signed calls of AWS over kept connections, without what botocore's client does anew for each of them.

Through botocore's client a call takes two to three times the processor time, and each client 0.1 s at a cold start
(docs/performance.md).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import get_cert_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.credentials import Credentials
    from botocore.session import Session


class SignedCalls:
    """One service's calls, each tried once; signed by botocore's own signer with the container's credentials.

    `longest_seconds` is how long a call may take that connects and then hangs.
    """

    def __init__(
        self, session: Session, service: str, *, connect_seconds: float, read_seconds: float, connections: int
    ) -> None:
        self.longest_seconds = connect_seconds + read_seconds
        # It renews credentials that run out, and says at a call that there are none.
        self._signer = SigV4Auth(
            cast("Credentials", session.get_credentials()), service, session.get_config_variable("region")
        )
        self._pools = urllib3.PoolManager(
            maxsize=connections,
            timeout=urllib3.Timeout(connect=connect_seconds, read=read_seconds),
            retries=False,
            ca_certs=get_cert_path(True),
        )

    def send(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """The answer's status and body. Raises urllib3's errors where there is none, botocore's without credentials."""
        request = AWSRequest(method, url, data=body, headers=dict(headers))
        if trace := os.environ.get("_X_AMZN_TRACE_ID"):
            request.headers["X-Amzn-Trace-Id"] = trace  # by which Lambda notices a message that goes in circles
        self._signer.add_auth(request)
        pool = self._pools.connection_from_url(url)
        path = urllib3.util.parse_url(url).request_uri
        response = pool.urlopen(method, path, body=body, headers=dict(request.headers.items()))
        return response.status, response.data
