"""Articles to chunks: whole sentences, sized in the embedding model's own tokens, with exact character offsets."""

import re
from collections.abc import Callable, Sequence

from index.records import Article, Chunk
from index.sentences import Span, split_paragraphs, split_sentences

CountTokens = Callable[[Sequence[str]], list[int]]
"""Tokens of each text as the embedding model will see it: prompt and special tokens included."""

# Where a sentence that is too long may be cut, best first: ends inside a quote, clauses, commas, spaces.
# White space before a dash is taken from its start only: from every blank of a long row it would take quadratic time.
SEAMS = [re.compile(pattern) for pattern in (r"[.!?…][»”\"]?\s+", r"[;:]\s+|(?<!\s)\s+[—–-]\s+", r",\s+", r"\s+")]


def chunk_article(article: Article, *, count_tokens: CountTokens, max_tokens: int) -> list[Chunk]:
    """Cut an article into chunks that end where sentences end.

    A chunk is filled up to `max_tokens`, but from half that size on it also ends where a paragraph ends whose follower
    would not fit whole. Chunks do not overlap and together hold all that is not white space. A sentence longer than
    `max_tokens` is the one thing that is cut inside: at its weakest seam near the middle.

    Args:
        article: its text is never changed; `article.text[chunk.start:chunk.end] == chunk.text`.
        count_tokens: the embedding model's count.
        max_tokens: above the tokens of an empty text, at most what the model reads.
    """
    text = article.text
    pieces = [part for sentence in split_sentences(text) for part in _fit(text, sentence, count_tokens, max_tokens)]
    spans = _pack(text, pieces, count_tokens, max_tokens)
    fitting = [part for span in spans for part in _fit(text, span, count_tokens, max_tokens)]
    return [Chunk(article.article_id, span.start, span.end, text[span.start : span.end]) for span in fitting]


def _pack(text: str, pieces: list[Span], count_tokens: CountTokens, max_tokens: int) -> list[Span]:
    if not pieces:
        return []
    counts = count_tokens([text[start:end] for start, end in pieces])
    overhead = _overhead(text[pieces[0].start : pieces[0].end], count_tokens)
    room = max_tokens - overhead
    sizes = [count - overhead for count in counts]
    paragraph_sizes = _paragraph_sizes(text, pieces, sizes)
    spans: list[Span] = []
    used = room  # so that the first piece opens a chunk
    for piece, size in zip(pieces, sizes, strict=True):
        rest_of_paragraph = paragraph_sizes.get(piece.start, 0)
        ends_paragraph = used * 2 >= room and used + rest_of_paragraph > room and rest_of_paragraph > 0
        if not spans or used + size > room or ends_paragraph:
            spans.append(piece)
            used = size
        else:
            spans[-1] = Span(spans[-1].start, piece.end)
            used += size
    return spans


def _overhead(sample: str, count_tokens: CountTokens) -> int:
    """Tokens that a text costs whatever it says: two samples in one text cost it once, in two texts twice."""
    once, joined = count_tokens([sample, f"{sample} {sample}"])
    return 2 * once - joined


def _paragraph_sizes(text: str, pieces: list[Span], sizes: list[int]) -> dict[int, int]:
    """Tokens of each paragraph, by the offset at which it starts."""
    starts = [paragraph.start for paragraph in split_paragraphs(text)]
    totals = dict.fromkeys(starts, 0)
    at = iter([*starts[1:], len(text) + 1])
    current, following = (starts[0], next(at)) if starts else (0, 0)
    for piece, size in zip(pieces, sizes, strict=True):
        while piece.start >= following:
            current, following = following, next(at)
        totals[current] += size
    return totals


def _fit(text: str, span: Span, count_tokens: CountTokens, max_tokens: int) -> list[Span]:
    """The span itself, or its halves (and theirs) where it holds more than `max_tokens`."""
    if span.end - span.start < 2 or count_tokens([text[span.start : span.end]])[0] <= max_tokens:
        return [span]
    middle = _seam(text, span)
    halves = [_stripped(text, Span(span.start, middle)), _stripped(text, Span(middle, span.end))]
    return [part for half in halves for part in _fit(text, half, count_tokens, max_tokens)]


def _seam(text: str, span: Span) -> int:
    """Where to cut: the best kind of seam that the middle half has, the one nearest the middle."""
    quarter, middle = (span.end - span.start) // 4, (span.start + span.end) // 2
    for seam in SEAMS:
        ends = [match.end() for match in seam.finditer(text, span.start + quarter, span.end - quarter)]
        if ends:
            return min(ends, key=lambda end: abs(end - middle))
    return middle


def _stripped(text: str, span: Span) -> Span:
    piece = text[span.start : span.end]
    return Span(span.start + len(piece) - len(piece.lstrip()), span.end - len(piece) + len(piece.rstrip()))
