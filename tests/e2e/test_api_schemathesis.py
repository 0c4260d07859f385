"""schemathesis against the deployed stack: no 5xx, no undocumented status, every answer as the document says."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from localstack.stack_for_tests import Stack

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "allow_header_conformance",
    "ensure_resource_availability",
)
EXAMPLES = 15
LIMIT_SECONDS = 300
STATUS = re.compile(r'"status_code":\s*(\d{3})')


@pytest.mark.timeout(LIMIT_SECONDS + 60)
def test_whatever_the_document_allows_or_forbids(
    stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{stack.base_url}/openapi.json"),
        *("--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing,stateful"),
        *("--max-examples", str(EXAMPLES), "--generation-deterministic", "--continue-on-failure"),
        *("--workers", "1", "--request-timeout", "30", "--warnings", "off", "--no-color"),
        *("--report", "json,ndjson", "--report-dir", str(tmp_path)),
        *("--report-json-path", str(tmp_path / "run.json"), "--report-ndjson-path", str(tmp_path / "run.ndjson")),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS, cwd=tmp_path, check=False)
    assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr[-2000:]
    cases = json.loads((tmp_path / "run.json").read_text())["test_cases"]
    statuses = Counter(STATUS.findall((tmp_path / "run.ndjson").read_text()))
    with capsys.disabled():
        print(f"\nschemathesis: {cases['generated']} requests, statuses {dict(sorted(statuses.items()))}")
    assert cases["generated"] > 300
    assert {"200", "202", "400", "404", "415", "426"} <= statuses.keys()
