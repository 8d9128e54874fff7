"""Text of numbers: the compiled scan and the slow reading agree, and what is no number is named with its line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from vidsal.loaders.errors import BadData
from vidsal.loaders.formats.text_table import line_of, number, read_rows

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read(text, columns=("t", "x", "y"), **options):
    return read_rows("f.txt", text.encode("latin-1"), columns, **options)


def test_rows_are_columns():
    np.testing.assert_array_equal(read("1 2.5 -3\n4 5 6.25\n"), [[1, 4], [2.5, 5], [-3, 6.25]])


@pytest.mark.parametrize(
    "text",
    [
        "1 2 3\r\n4 5 6\r\n",
        "1 2 3\n4 5 6",
        "\n\n1 2 3\n\n4 5 6\n \n",
        "  1\t2   3 \n4 5\t 6\t\n",
        "1.0 2. 3.000\n4 5 6\n",
        "+1 2e0 .3e1\n4 5 6\n",
        "# hello 9 9 9\n1 2 3\n# 7 7 7\n4 5 6\n#",
    ],
)
def test_harmless_forms(text):
    comment = "#" if "#" in text else ""
    np.testing.assert_array_equal(read(text, comment=comment), [[1, 4], [2, 5], [3, 6]])


def test_commas_between():
    np.testing.assert_array_equal(read("1,2,3\n4 , 5,\t6\n", separator="comma"), [[1, 4], [2, 5], [3, 6]])


def test_a_letter_at_the_end():
    rows = read("1 2 F\n3 4 b\n", letter=True)
    assert [chr(int(c)) for c in rows[2]] == ["F", "b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3\n4 5\n", "line 2: 2 fields, expected 3"),
        ("1 2 3\n4 5 6 7\n", "line 2: 4 fields"),
        ("1 2 3\n\n4 599,5 6\n", "line 3: x is '599,5'"),
        ("1 2,5 3,5 4,5\n", "decimal commas"),
        ("1 nan 3\n", "line 1: x is 'nan'"),
        ("1 2 inf\n", "y is 'inf'"),
        ("1 2 -Infinity\n", "y is '-Infinity'"),
        ("1 2 1e300\n", "y is '1e300'"),
        ("1 2 1_000\n", "y is '1_000'"),
        ("1 2 0x10\n", "y is '0x10'"),
        ("1 2 --3\n", "y is '--3'"),
        ("1 2 -\n", "y is '-'"),
        ("1 2 .\n", "y is '.'"),
        ("1 2 3.4.5\n", "y is '3.4.5'"),
        ("1 2 \xb2\n", "line 1: y"),
        ("1 2 3\x00\n", "line 1: y"),
        ("1 2 99999999999999999999\n", "line 1: y"),
        ("\xef\xbb\xbf1 2 3\n", "line 1: t"),
        ("1 2 3\r4 5 6\n", "line 1"),
        ("# no comments here 1 2\n1 2 3\n", "line 1: 6 fields"),
    ],
)
def test_what_is_no_number(text, message):
    with pytest.raises(BadData, match=message) as caught:
        read(text)
    assert "f.txt" in str(caught.value)


@pytest.mark.parametrize("text", ["1,2\n", "1,,3\n", "1,2,3,\n", ",1,2\n", "1;2;3\n", "1 2 3\n", "1,2,?\n"])
def test_bad_commas(text):
    with pytest.raises(BadData, match="line 1"):
        read(text, separator="comma")


@pytest.mark.parametrize("text", ["1 2 FF\n", "1 2 3\n", "1 2\n", "1 2F\n", "1 2 \xc4\n", "1 F 2\n"])
def test_bad_letters(text):
    with pytest.raises(BadData, match="line 1"):
        read(text, letter=True)


def test_no_rows():
    assert read("").shape == (3, 0)
    assert read("\n \r\n").shape == (3, 0)


def test_start_counts_lines_from_the_top():
    text = "a header\nanother\n1 2 3\n4 x 6\n"
    with pytest.raises(BadData, match="line 4: x is 'x'"):
        read(text, start=text.index("1 2"))


def test_line_of_a_row():
    data = b"head\n# c\n\n1 2\n# c\n3 4\n"
    assert [line_of(data, 5, row, "#") for row in (0, 1)] == [4, 6]


decimals = st.one_of(
    st.integers(-(10**12), 10**12).map(str),
    st.decimals(-(10**6), 10**6, places=1).map(str),
    st.floats(-1e12, 1e12).map(repr),
    st.decimals(0, 10**5, places=12, allow_nan=False).map(lambda d: format(d, "f")),
)
gaps = st.sampled_from([" ", "  ", "\t", " \t "])
ends = st.sampled_from(["\n", "\r\n", " \n", "\n\n"])


@settings(FUZZ, max_examples=60)
@given(rows=st.lists(st.tuples(decimals, gaps, decimals, gaps, decimals, ends), max_size=8))
def test_every_number_is_the_nearest_float(rows):
    """Python's own float is the independent answer; equal to the last bit."""
    found = read("".join("".join(row) for row in rows))
    expected = np.array([[float(row[k]) for k in (0, 2, 4)] for row in rows]).reshape(-1, 3).T
    np.testing.assert_array_equal(found, expected)


def plainly(text, columns):
    """What the text means, or None: the simplest possible reader."""
    rows = []
    for line in text.split("\n"):
        words = line.strip(" \t\r").replace("\t", " ").split(" ")
        words = [w for w in words if w]
        if not words:
            continue
        if len(words) != columns:
            return None
        try:
            rows.append([number(w) for w in words])
        except ValueError:
            return None
    return np.array(rows).reshape(-1, columns).T


@FUZZ
@given(text=st.text(alphabet="0123456789.-+e, \t\r\nnaifF#", max_size=60))
def test_any_text_means_what_a_plain_reader_says(text):
    expected = plainly(text, 2)
    if expected is None:
        with pytest.raises(BadData, match=r"f\.txt, line [0-9]+"):
            read(text, ("a", "b"))
    else:
        np.testing.assert_array_equal(read(text, ("a", "b")), expected)
