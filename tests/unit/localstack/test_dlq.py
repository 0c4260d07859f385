"""What `./dev dlq redrive` says where there is nothing to send."""

from dataclasses import dataclass, field
from typing import Self

import pytest

from localstack.commands import dlq
from localstack.errors import UserError
from localstack.local_stack import state_file
from tests.fakes.programs import invoke


@dataclass
class NothingLeft:
    """An archive whose every message was sent again."""

    redriven: list[object] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None: ...

    def not_redriven(self) -> list[object]:
        return []

    def redrive(self, letter: object) -> None:
        self.redriven.append(letter)


def test_nothing_to_send_is_said_and_whom_to_send_must_be(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = NothingLeft()
    monkeypatch.setattr(state_file, "find", lambda: None)
    monkeypatch.setattr(dlq, "Archive", lambda running: archive)
    done = invoke(dlq, "dlq", "redrive", "--all")
    assert (done.exit_code, done.output) == (0, "Nothing to send: every message was sent again already.\n")
    for arguments in ([], ["an-id", "--all"]):
        refused = invoke(dlq, "dlq", "redrive", *arguments)
        assert isinstance(refused.exception, UserError)
        assert "or say --all" in str(refused.exception)
    assert archive.redriven == []
