"""What tests of commands share."""

from __future__ import annotations

import pytest

from .commands import Say, vidsal


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Run a command; return its exit code and what it says."""

    def call(*arguments: object) -> tuple[int, str]:
        code = vidsal(*arguments)
        said = capsys.readouterr()
        text = said.out + said.err
        assert "fault of vidsal" not in text, f"{arguments}: {text}"
        return code, text

    return call
