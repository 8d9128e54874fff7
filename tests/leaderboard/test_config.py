"""site.toml: what may stand in it, and what its faults are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from vidsal.leaderboard.config import Config, read_config
from vidsal.loaders.errors import BadData, MissingData


def test_the_file_in_the_results_is_taken_by_itself(tmp_path: Path) -> None:
    assert read_config(None, tmp_path) == Config()
    (tmp_path / "site.toml").write_text('title = "Our board"\naddress = "https://example.org/board"\n')
    found = read_config(None, tmp_path)
    assert (found.title, found.address) == ("Our board", "https://example.org/board/")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title = 3", "title: "),
        ('adress = "https://example.org"', "adress: unknown key 'adress'; did you mean 'address'[?] Known: address, "),
        ('title = " "', "title: it is empty"),
        ('address = "http://example.org"', "is no https address"),
        ('contact = "javascript:alert(1)"', "is no https address"),
        ("title = ", "cannot be read as TOML"),
        ('title = "' + "x" * 301 + '"', "title: "),
    ],
)
def test_faults_are_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "site.toml"
    path.write_text(text)
    with pytest.raises(BadData, match=said) as caught:
        read_config(path, tmp_path)
    assert str(path) in str(caught.value)


def test_a_named_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="no such file"):
        read_config(tmp_path / "none.toml", tmp_path)
