"""Articles out of Parquet: one a row, of the columns that we know, a few rows in memory at a time.

Keeps the contract of `index.readers.Reader`; rows are numbered from 1. pyarrow is the extra `parquet`.

Decision: what a row may take is bounded twice. A row group of more than GROUP_BYTES is refused, as its pages say what
they take only when they are unpacked; strings stay in their dictionary, so that one that a file repeats is held once.
"""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from index.making import FIELD_NAMES, MAX_ARTICLE_CHARS, BadArticleError, article_from_fields, check_length, show
from index.records import Article, Skipped

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

ROWS_AT_ONCE = 16
GROUP_BYTES = 2**30  # unpacked, of the columns that are read
_READ_AT_ONCE = 2**20  # bytes
_SPARE_BYTES = 65_536


def is_installed() -> bool:
    """Whether Parquet can be read."""
    return find_spec("pyarrow") is not None


def read_parquet(path: Path, source: str, *, max_article_chars: int = MAX_ARTICLE_CHARS) -> Iterator[Article | Skipped]:
    """One article a row; columns are named like the fields of JSONL, in any case, and others are not read."""
    if not is_installed():
        raise BadArticleError("Parquet needs pyarrow; pip install 'otvet[parquet]'")
    n_rows = 0
    for row in _rows(path, _row_bytes(max_article_chars)):
        n_rows += 1
        try:
            if isinstance(row, BadArticleError):
                raise row
            yield check_length(article_from_fields(row, f"{source}:{n_rows}"), max_article_chars)
        except BadArticleError as exc:
            yield Skipped(source, n_rows, str(exc))
    if not n_rows:
        yield Skipped(source, None, "the file has no rows; write articles into it, or delete it")


def _row_bytes(max_article_chars: int) -> int:
    return 4 * max_article_chars + _SPARE_BYTES


def _rows(path: Path, row_bytes: int) -> Iterator[Mapping[str, object] | BadArticleError]:
    """The fields of each row, or why they cannot be used.

    Raises:
        BadArticleError: the file is no Parquet, or is damaged; after the rows before the damage.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    n_rows = 0
    try:
        with path.open("rb") as file, ParquetFile(file, buffer_size=_READ_AT_ONCE, pre_buffer=False) as found:
            names = _names(found.schema_arrow)
            strings = [name for name in names.values() if pa.types.is_string(found.schema_arrow.field(name).type)]
        with (
            path.open("rb") as file,
            ParquetFile(file, buffer_size=_READ_AT_ONCE, pre_buffer=False, read_dictionary=strings) as found,
        ):
            _refuse_large_groups(found, set(names.values()))
            for batch in found.iter_batches(ROWS_AT_ONCE, columns=list(names.values()), use_threads=False):
                columns = {name: batch.column(column) for name, column in names.items()}
                for at in range(batch.num_rows):
                    n_rows += 1
                    yield _row(columns, at, row_bytes)
    except (pa.ArrowException, OSError) as exc:
        reason = str(exc).partition("\n")[0][:200]
        line = n_rows + 1 if n_rows else None
        raise BadArticleError(f"the file is no Parquet, or is damaged: {reason}; write it again", line) from exc


def _names(schema: "pa.Schema") -> Mapping[str, str]:
    """The columns of the file by the names that we know."""
    known = [(column.strip().lower(), column) for column in schema.names]
    names = [name for name, _ in known if name in FIELD_NAMES]
    if names.count("text") != 1 or len(names) != len(set(names)):
        shown = show(", ".join(schema.names))
        raise BadArticleError(f"the file has the columns {shown}; name one, and only one, 'text'")
    return {name: column for name, column in known if name in FIELD_NAMES}


def _refuse_large_groups(found: "ParquetFile", columns: set[str]) -> None:
    for number in range(found.metadata.num_row_groups):
        group = found.metadata.row_group(number)
        chunks = [group.column(n) for n in range(group.num_columns)]
        n_bytes = sum(one.total_uncompressed_size for one in chunks if one.path_in_schema.split(".")[0] in columns)
        if n_bytes > GROUP_BYTES:
            raise BadArticleError(
                f"row group {number + 1} has {n_bytes:,} bytes, over the limit of {GROUP_BYTES:,}; "
                "write the file with smaller row groups"
            )


def _row(columns: Mapping[str, "pa.Array"], at: int, row_bytes: int) -> Mapping[str, object] | BadArticleError:
    try:
        return {name: _value(column[at], name, row_bytes) for name, column in columns.items()}
    except BadArticleError as exc:
        return exc
    except (ValueError, OverflowError) as exc:  # no UTF-8, or a time that no calendar has
        return BadArticleError(f"the row cannot be read: {show(str(exc))}; correct it")


def _value(scalar: "pa.Scalar", name: str, row_bytes: int) -> object:
    import pyarrow as pa

    if isinstance(scalar, pa.DictionaryScalar):
        scalar = scalar.value
    if isinstance(scalar, pa.StringScalar | pa.LargeStringScalar) and scalar.is_valid:
        if (n_bytes := scalar.as_buffer().size) > row_bytes:
            raise BadArticleError(
                f"{name} has {n_bytes:,} bytes, over the limit of {row_bytes:,}; split the article, or raise "
                "max_article_chars"
            )
    if isinstance(scalar, pa.TimestampScalar):
        scalar = scalar.cast(pa.timestamp("us", scalar.type.tz), safe=False)  # Python knows no nanoseconds
    return scalar.as_py()
