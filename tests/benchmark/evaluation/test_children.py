"""A child process that dies, hangs or ends itself is told apart from one that answers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vidsal
from vidsal.benchmark.evaluation.children import ChildFault, Children, busy, idle
from vidsal.loaders.errors import UnknownName


def double(value: int) -> int:
    return 2 * value


def end(how: str, value: int = 0) -> Any:
    """Let this process end in one of many ways."""
    if how == "os._exit":
        os._exit(value)
    if how == "sys.exit":
        sys.exit(value)
    if how == "kill":
        os.kill(os.getpid(), value)
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "unknown":
        raise UnknownName("thing", "a", ["b", "abc"])
    if how == "local":

        class Local(Exception):
            pass

        raise Local("only here")
    if how == "answer":
        return lambda: None
    raise OSError(f"boom {how}")


def once(folder: Path, number: int) -> int:
    """Die of a signal the first time, then answer."""
    mark = folder / str(number)
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGSEGV)
    return number


def hang(working: bool) -> str:
    if working:
        busy()
    time.sleep(1.0)
    idle()
    return "late"


def speak() -> str:
    sys.stdout.write("a model prints\n")
    os.write(1, b"and so does C\n")
    return "answer"


@pytest.fixture(scope="module")
def one() -> Iterator[Children]:
    with Children(1, timeout_s=0.4) as children:
        yield children


@pytest.mark.parametrize(
    ("how", "value", "error", "message"),
    [
        ("os._exit", 0, ChildFault, "ended itself with exit code 0"),
        ("os._exit", 7, ChildFault, "ended itself with exit code 7"),
        ("sys.exit", 0, ChildFault, r"raised SystemExit\(0\)"),
        ("interrupt", 0, ChildFault, "raised KeyboardInterrupt"),
        ("kill", signal.SIGKILL, ChildFault, "killed twice by SIGKILL"),
        ("unknown", 0, UnknownName, "unknown thing 'a'; did you mean 'abc'"),
        ("local", 0, RuntimeError, "Local: only here"),
        ("answer", 0, ValueError, "its answer cannot be sent"),
        ("else", 0, OSError, "boom else"),
    ],
)
def test_an_end_is_told_and_the_next_task_is_done(
    one: Children, how: str, value: int, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        one.call(end, how, value)
    assert one.call(double, 4) == 8


def test_who_died_of_a_signal_is_tried_once_more(tmp_path: Path) -> None:
    with Children(2) as children:
        found = dict(children.each([(once, (tmp_path, n)) for n in range(2)]))
    assert found == {0: 0, 1: 1}


def test_a_child_that_is_busy_has_its_time_and_one_that_waits_has_all(one: Children) -> None:
    with pytest.raises(ChildFault, match=r"no sign of life for 0\.4 s"):
        one.call(hang, True)
    assert one.call(hang, False) == "late"


def test_what_a_child_prints_is_no_result(one: Children, capfd: pytest.CaptureFixture[str]) -> None:
    with Children() as children:
        assert children.call(speak) == "answer"
    said = capfd.readouterr()
    assert said.out == ""
    assert "a model prints" in said.err
    assert "and so does C" in said.err


def test_no_child_is_left(tmp_path: Path) -> None:
    with Children() as children:
        pid = children.call(os.getpid)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def survive_ctrl_c() -> str:
    os.kill(os.getpid(), signal.SIGINT)
    return "left it to the parent"


def test_ctrl_c_is_left_to_the_parent(one: Children) -> None:
    assert one.call(survive_ctrl_c) == "left it to the parent"


def test_a_child_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    """The pipe of errors, which all of them hold, ends when all have ended."""
    late = f"__import__('time').sleep(20) or open({str(tmp_path / 'late')!r}, 'w')"
    code = (
        "import sys\nfrom vidsal.benchmark.evaluation.children import Children\n"
        "if __name__ == '__main__':\n"
        "    with Children(1) as children:\n"
        "        children.call(int)\n"
        "        print('ready', flush=True)\n"
        "        children.call(eval, sys.argv[1])\n"
    )
    script = tmp_path / "parent.py"
    script.write_text(code)
    source = str(Path(vidsal.__file__).resolve().parents[1])
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, str(script), late], env={**os.environ, "PYTHONPATH": source}, stdout=pipe, stderr=pipe
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        parent.kill()
        parent.communicate()
    assert not (tmp_path / "late").exists()


def loaded(name: str) -> bool:
    return name in sys.modules


def test_started_children_import_what_they_will_need_and_are_used(tmp_path: Path) -> None:
    with Children(2) as children:
        children.start(("no_such_module", "xml.dom.minidom"))
        pids = {child.process.pid for child in children._free}
        assert dict(children.each([(loaded, ("xml.dom.minidom",))] * 2)) == {0: True, 1: True}
        assert {children.call(os.getpid)} <= pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_started_child_that_nobody_used_or_that_died_waiting_is_no_matter() -> None:
    with Children(1) as children:
        children.start(("vidsal",))
        (unused,) = children._free
    assert not unused.process.is_alive()
    with Children(1) as children:
        children.start(())
        (dead,) = children._free
        dead.process.kill()
        dead.process.join()
        assert children.call(double, 4) == 8
