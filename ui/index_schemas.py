"""What `GET /index` gives out: the serving generation, what its build did, and the build that runs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from index.generations import Manifest
from ui.rebuilding import Ended, Running

N_FAILED_OUT = 1_000


class FailedOut(BaseModel):
    """An article that was not indexed, and why."""

    source: str = Field(description="Its file, as seen from the corpus.", examples=["2025/ferry.md"])
    line: int | None = Field(description="Line of the file, from 1; null where the whole file is meant.", examples=[12])
    reason: str = Field(description="What is wrong and what to do.", examples=["the text is empty; fill it in"])


class ReportOut(BaseModel):
    """What a build did, against the generation that served before it."""

    n_articles: int = Field(
        description="Articles that are indexed: those added, changed, unchanged and moved.", examples=[0]
    )
    n_chunks: int = Field(description="Chunks of all of them.", examples=[0])
    n_added: int = Field(description="Articles that were not there before.", examples=[0])
    n_changed: int = Field(
        description="Articles in whose place another was, or now said to be in another language.", examples=[0]
    )
    n_unchanged: int = Field(description="Articles that are as they were, where they were.", examples=[0])
    n_moved: int = Field(description="Articles that are as they were in another place.", examples=[0])
    n_deleted: int = Field(description="Articles that were there before and have none in their place.", examples=[0])
    n_duplicates: int = Field(description="Articles left out, as another has the very same content.", examples=[0])
    n_embedded: int = Field(
        description="Articles that were embedded; a build that goes on from another has fewer.", examples=[0]
    )
    n_failed: int = Field(description="Articles that could not be read.", examples=[0])
    failed: list[FailedOut] = Field(
        description=f"These, each with its reason; the first {N_FAILED_OUT}.", examples=[[]]
    )
    seconds: float = Field(description="That it took, in seconds.", examples=[17.4])
    articles_per_second: float = Field(
        description="Articles that were embedded, by all the seconds that it took.", examples=[5.7]
    )


class RebuildOut(BaseModel):
    """The build that runs, whoever started it."""

    pid: int = Field(description="Number of the process that builds, as the system gives it.", examples=[4711])
    since: datetime = Field(description="When it began, with time zone.", examples=["2026-11-26T05:00:00+00:00"])
    stage: str = Field(
        description="model, read, embed (articles), words, store (chunks); empty where it has just begun.",
        examples=["embed"],
    )
    done: int = Field(description="Articles or chunks of the stage that are done.", examples=[120])
    total: int = Field(
        description="Articles or chunks of the stage in all; 0 where it is not known yet.", examples=[1000]
    )
    seconds_left: float | None = Field(
        description="Seconds that the stage embed still takes, about; null in the others.", examples=[41.5]
    )
    started_here: bool = Field(
        description="By POST /index/rebuild of this server; only such can be cancelled here.", examples=[True]
    )


class LastRebuildOut(BaseModel):
    """How the build ended that was started here last."""

    state: Literal["published", "unchanged", "failed", "cancelled"] = Field(
        description="How it ended.", examples=["published"]
    )
    message: str = Field(description="The same in words, with what to do.", examples=["g-0002 serves"])
    ended_at: datetime = Field(description="With time zone.", examples=["2026-11-26T05:01:00+00:00"])
    report: ReportOut | None = Field(description="Null where it failed or was cancelled.")


class IndexOut(BaseModel):
    """The generation that answers, and the builds."""

    generation: str = Field(description="That answers.", examples=["g-0001"])
    created_at: datetime = Field(
        description="When it was built, with time zone.", examples=["2026-11-26T05:00:00+00:00"]
    )
    n_articles: int = Field(description="Articles that are indexed.", examples=[2])
    n_chunks: int = Field(description="Chunks of all of them.", examples=[14])
    embedding_model: str = Field(description="That it was built with.", examples=["multilingual-e5-small"])
    chunk_max_tokens: int = Field(description="Longest chunk, in tokens.", examples=[384])
    report: ReportOut | None = Field(description="Of the build that made this generation.")
    rebuild: RebuildOut | None = Field(description="The build that runs now, whoever started it; null for none.")
    last_rebuild: LastRebuildOut | None = Field(
        description="The build that was started here last and has ended; null before the first one."
    )


def index_out(generation: str, manifest: Manifest, running: Running | None, last: Ended | None) -> IndexOut:
    """What the endpoint and the page tell of the index."""
    return IndexOut(
        generation=generation,
        created_at=datetime.fromisoformat(manifest.created_at),
        n_articles=manifest.n_articles,
        n_chunks=manifest.n_chunks,
        embedding_model=manifest.embedding_model,
        chunk_max_tokens=manifest.chunk_max_tokens,
        report=_report_out(manifest.report),
        rebuild=_rebuild_out(running) if running is not None else None,
        last_rebuild=_last_rebuild_out(last) if last is not None else None,
    )


def _report_out(report: Mapping[str, Any] | None) -> ReportOut | None:
    if not report:
        return None
    failed = report["failed"]
    return ReportOut.model_validate({**report, "n_failed": len(failed), "failed": failed[:N_FAILED_OUT]})


def _rebuild_out(running: Running) -> RebuildOut:
    writer = running.writer
    return RebuildOut(
        pid=writer.pid,
        since=datetime.fromisoformat(writer.since),
        stage=writer.stage,
        done=writer.done,
        total=writer.total,
        seconds_left=running.seconds_left,
        started_here=running.started_here,
    )


def _last_rebuild_out(last: Ended) -> LastRebuildOut:
    return LastRebuildOut(
        state=last.state, message=last.message, ended_at=last.ended_at, report=_report_out(last.report)
    )
