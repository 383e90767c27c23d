"""What is streamed can be read back, however it is cut: server-sent events, and markers in a model's text."""

import codecs
import json
import re
from collections.abc import Sequence
from itertools import groupby
from typing import TypeVar

from hypothesis import example, given
from hypothesis import strategies as st

from doors import events_of
from qa.citations import split_markers
from ui.event_stream import event_bytes
from ui.stream_schemas import DeltaEvent, DeltaOut

TROUBLE = [
    "\r",
    "\n",
    "\r\n",
    "\n\n",
    "\x85",
    "\u2028",
    "\u2029",
    "\0",
    "\x0b",
    "\x1e",
    "\ufeff",
    ":",
    "data: ",
    "🎈",
    "я",
]
TEXTS = st.lists(st.sampled_from(TROUBLE) | st.text(max_size=8), max_size=8).map("".join)
PLACES = st.lists(st.integers(min_value=0, max_value=10**6), max_size=12)

# What a model writes around markers: whole ones, halves, look-alikes.
WRITTEN = st.lists(
    st.sampled_from([*"[]【】012 ,;-–—.\n\xa0яa", "[1]", " [2]", "[1, 2", "-3]", "【3】", "[[1]]", "[2024 год]"]),
    max_size=30,
).map("".join)
MARKER = re.compile(r"[\[【][\d\s,;–—-]*\d[\d\s,;–—-]*[\]】]")  # said anew, not taken from what is tested


T = TypeVar("T", str, bytes)


def cut(whole: T, places: Sequence[int]) -> list[T]:
    """Pieces of it, empty ones as well."""
    bounds = [0, *sorted(place % (len(whole) + 1) for place in places), len(whole)]
    return [whole[start:end] for start, end in zip(bounds, bounds[1:], strict=False)]


def deltas(texts: Sequence[str]) -> bytes:
    return b"".join(event_bytes(DeltaEvent(data=DeltaOut(text=text)).data, name="delta") for text in texts)


@given(st.lists(TEXTS, max_size=5), PLACES)
@example(["", "\0", "a\u2028b\rc"], [1, 2, 3])
def test_texts_survive_the_wire_however_the_bytes_are_cut(texts: list[str], places: list[int]) -> None:
    events = list(events_of(iter(cut(deltas(texts), places))))
    assert [event.name for event in events] == ["delta"] * len(texts)
    assert [event.data for event in events] == [{"text": text} for text in texts]


@given(TEXTS)
def test_readers_that_split_lines_as_python_does_read_the_same(text: str) -> None:
    """Many clients decode first and then call `splitlines`, which knows more ends of lines than the format has."""
    first, second, *rest = deltas([text]).decode().splitlines()
    assert first == "event: delta"
    assert json.loads(second.removeprefix("data: ")) == {"text": text}
    assert rest == [""]


@given(TEXTS, PLACES)
def test_readers_that_decode_piece_by_piece_read_the_same(text: str, places: list[int]) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    decoded = "".join(decoder.decode(piece) for piece in cut(deltas([text]), places)) + decoder.decode(b"", final=True)
    assert json.loads(decoded.split("data: ", 1)[1]) == {"text": text}


@given(WRITTEN, PLACES)
@example("Да [1", [5])
@example("Да [1, 2] [", [4, 6, 8])
def test_markers_are_split_off_alike_however_the_stream_is_cut(text: str, places: list[int]) -> None:
    whole, pieces = list(split_markers([text])), list(split_markers(cut(text, places)))
    assert joined(pieces) == joined(whole)
    assert numbers(pieces) == numbers(whole)


@given(WRITTEN, PLACES)
@example("Да [1]", [4])
@example("[1[2]", [2])
def test_no_text_holds_a_marker_or_ends_within_one(text: str, places: list[int]) -> None:
    items = list(split_markers(cut(text, places)))
    for is_text, run in groupby(items, key=lambda item: isinstance(item, str)):
        if is_text:
            assert not MARKER.search(joined(list(run)))  # nor does a piece, then, and none goes on in the next


def joined(items: list[str | list[int]]) -> str:
    return "".join(item for item in items if isinstance(item, str))


def numbers(items: list[str | list[int]]) -> list[list[int]]:
    return [item for item in items if isinstance(item, list)]
