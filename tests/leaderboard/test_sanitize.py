"""Text from results as data."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from vidsal.leaderboard.sanitize import https_url, slug, visible


@given(st.text())
def test_a_slug_can_not_leave_its_folder(text: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug(text))
    assert len(slug(text)) <= 40


@pytest.mark.parametrize(
    "text",
    [
        "\x00",
        "\u202eexe.gnp",
        "a\u200bb",
        "a\u00adb",
        "\x9b2J",
        "\U000e0041",
        "a\ufe0f",
        "\ud800",
        "\x1b[31m",
        "\u2028",
        "\r",
    ],
)
def test_what_can_not_be_seen_becomes_visible(text: str) -> None:
    assert "\ufffd" in visible(text)


@pytest.mark.parametrize("text", ["plain", "眼球 é ß", "tab\tnew\nline", "<b>&\"'"])
def test_what_can_be_seen_stays(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    "text", ["https://example.org", "https://example.org:8443/a?b=c#d", "https://doi.org/10.1000/182"]
)
def test_https_addresses_are_links(text: str) -> None:
    assert https_url(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "http://example.org",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://user:word@example.org/",
        "https://example.org/ and more",
        "https://example.org/\n",
        'https://example.org/"onclick="x',
        "https://",
        "https://example.org:notaport/",
        "//example.org",
        "HTTPS://example.org",
        "",
    ],
)
def test_anything_else_is_text(text: str) -> None:
    assert https_url(text) is None
