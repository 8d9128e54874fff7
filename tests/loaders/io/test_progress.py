from __future__ import annotations

import threading

from vidsal.loaders.io.progress import Meter, Tally, heard, resume, tick


class Kept(Meter):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, int, str]] = []

    def __call__(self, done: int, total: int, name: str) -> None:
        self.told.append(("items", done, total, name))

    def frames(self, done: int, total: int, name: str) -> None:
        self.told.append(("frames", done, total, name))

    def begin(self) -> None:
        self.told.append(("begin", 0, 0, ""))


def test_a_meter_is_told_of_each_frame_and_a_function_of_each_item() -> None:
    meter, plain = Kept(), list[tuple[int, int, str]]()
    for progress in (meter, lambda *a: plain.append(a)):
        tally = Tally(progress, {"a": 3, "b": 2, "c": 4})
        tally.finish("a")
        tally.begin()
        with tally.listening("b"):
            tick()
            tick()
        tally.finish("b")
        tally.at_hand({"c": 9})
        tally.at_hand({"c": 1})  # begun again
        tally.finish("c")
    assert meter.told == [
        ("frames", 3, 9, "a"),
        ("begin", 0, 0, ""),
        ("frames", 4, 9, "b"),
        ("frames", 5, 9, "b"),
        ("frames", 5, 9, "b"),
        ("frames", 9, 9, "c"),
        ("frames", 9, 9, "c"),
        ("frames", 9, 9, "c"),
    ]
    assert plain == [(1, 3, "a"), (2, 3, "b"), (3, 3, "c")]


def test_where_a_number_of_frames_is_not_known_items_are_counted() -> None:
    meter = Kept()
    tally = Tally(meter, {"a": 3, "b": None})
    with tally.listening("a"):
        tick()
    tally.finish("a")
    assert meter.told == [("items", 0, 2, "a"), ("items", 1, 2, "a")]


def test_nobody_listens_in_another_thread_or_afterwards() -> None:
    heard_frames: list[int] = []
    with heard(heard_frames.append):
        thread = threading.Thread(target=tick)
        thread.start()
        thread.join()
        tick(5)
    tick()
    assert heard_frames == [5]


def test_what_was_done_before_is_told_to_a_meter_alone() -> None:
    meter, plain = Kept(), list[tuple[int, int, str]]()
    resume(meter, 3, 9)
    resume(lambda *a: plain.append(a), 3, 9)
    Tally(None, {"a": 1}).finish("a")
    assert meter.told == [("items", 3, 9, ""), ("begin", 0, 0, "")]
    assert not plain
