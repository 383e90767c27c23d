"""Looks at every part that an answer needs and tells what is wrong with it, and how to mend it."""

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

from index.catalog import open_catalog, require_current
from index.checking import check_generation
from index.embedding import EmbeddingModel, load_embedding_model
from index.errors import CorpusError, IndexLockedError, IndexStateError, IndexUnreachableError, OtvetError
from index.generations import Manifest
from index.rebuild import build_index, derive_again
from index.records import Progress, Skipped
from index.remote import Place, is_whole, place_of
from qa.chat_models import embedded_gguf
from qa.settings import NO_CHAT_MODEL
from ui.settings import Settings, load_settings

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 3
N_FAILED_SHOWN = 20
COUNTS = ("added", "changed", "unchanged", "moved", "deleted", "duplicates")


@dataclass(frozen=True, slots=True)
class Check:
    """One finding."""

    what: str
    ok: bool
    found: str


def check_all(progress: Progress | None = None) -> Iterator[Check]:
    """Settings, directories, chat model, embedding model, index; stops where the rest depends on what is broken."""
    try:
        settings = load_settings()
    except OtvetError as exc:
        yield Check("settings", False, str(exc))
        return
    yield Check("settings", True, f"corpus {str(settings.corpus)!r}, embedding model {settings.embedding_model!r}")
    yield from _check_directories(settings)
    yield _check_chat_model(settings)
    if settings.reranker is not None:
        yield _check_reranker(settings.reranker)
    yield from _check_index(settings, progress)


def _check_directories(settings: Settings) -> Iterator[Check]:
    for what, path in (("data", settings.data_dir), ("cache", settings.cache_dir)):
        existing = next(parent for parent in (path.absolute(), *path.absolute().parents) if parent.exists())
        ok = existing.is_dir() and os.access(existing, os.W_OK)
        mend = "" if ok else f", cannot be written; correct its rights or set OTVET_{what.upper()}_DIR"
        yield Check(f"{what} directory", ok, f"{str(path)!r}{mend}")


def _check_chat_model(settings: Settings) -> Check:
    if settings.chat_model == NO_CHAT_MODEL:
        return Check("chat model", True, "none; answers are quotes")
    if settings.chat_base_url is None:
        return _check_embedded(settings)
    try:
        url = urlsplit(settings.chat_base_url)
        if not url.hostname:
            raise ValueError("it names no host")
        address = (url.hostname, url.port or (443 if url.scheme == "https" else 80))
        socket.create_connection(address, timeout=CONNECT_TIMEOUT_S).close()
    except (OSError, ValueError) as exc:  # ValueError: no host, a port that is none
        mend = "start the model's server or correct OTVET_CHAT_BASE_URL"
        return Check("chat model", False, f"{settings.chat_base_url!r} cannot be reached ({exc}); {mend}")
    return Check("chat model", True, f"{settings.chat_model!r} at {settings.chat_base_url!r}")


def _check_embedded(settings: Settings) -> Check:
    gguf = embedded_gguf(settings, settings.cache_dir)
    if gguf is None:
        return Check("chat model", True, "not fetched, so answers are quotes; run: otvet models pull")
    if not gguf.is_file():
        return Check("chat model", False, f"{str(gguf)!r} is no file; correct OTVET_CHAT_GGUF")
    return Check("chat model", True, f"embedded, {str(gguf)!r}")


def _check_reranker(name: str) -> Check:
    from index.reranking import load_reranker

    try:
        load_reranker(name)
    except OtvetError as exc:
        return Check("reranker", False, str(exc))
    return Check("reranker", True, repr(name))


def _check_index(settings: Settings, progress: Progress | None) -> Iterator[Check]:
    try:
        model = load_embedding_model(settings.embedding_model, cache_dir=settings.cache_dir, progress=progress)
    except OtvetError as exc:
        yield Check("embedding model", False, str(exc))
        return
    yield Check("embedding model", True, f"{model.name!r}, {model.dim} dimensions, checksum {model.checksum[:12]}")
    yield from _check_generation(settings, model, progress)


def _check_generation(settings: Settings, model: EmbeddingModel, progress: Progress | None) -> Iterator[Check]:
    with closing(open_catalog(settings)) as catalog:
        try:
            name = require_current(catalog)
        except OtvetError as exc:
            yield Check("index", False, str(exc))
            return
        for finding in check_generation(catalog, name, settings=settings, model=model, progress=progress):
            found = "; ".join(finding.problems) + "; run: otvet doctor --repair" if finding.problems else "ok"
            yield Check(f"index, {finding.what}", not finding.problems, found)
        try:
            manifest = catalog.manifest(name)
        except OtvetError:
            return  # told above
    yield Check("index", True, f"{_told(name, manifest)}; in {catalog.place}")
    for failed in manifest.report.get("failed", [])[:N_FAILED_SHOWN]:
        yield Check("not indexed", True, str(Skipped(**failed)))


def _told(name: str, manifest: Manifest) -> str:
    report = manifest.report
    counts = ", ".join(f"{report.get(f'n_{what}', 0)} {what}" for what in COUNTS)
    return (
        f"{name} of {manifest.created_at}: {manifest.n_articles} articles, {manifest.n_chunks} chunks; {counts}, "
        f"{len(report.get('failed', []))} failed, in {report.get('seconds', 0)} s, "
        f"{report.get('articles_per_second', 0)} articles a second"
    )


def repair(progress: Progress | None = None) -> str:
    """Mend the index and say how: from its own plain files where these are whole, else from the corpus.

    Raises:
        OtvetError: it cannot be mended, for example as the corpus or a server is not there, or while it is built.
    """
    settings = load_settings()
    model = load_embedding_model(settings.embedding_model, cache_dir=settings.cache_dir, progress=progress)
    noted: Sequence[str] = ()
    try:
        with closing(open_catalog(settings)) as catalog:
            noted = catalog.manifest(require_current(catalog)).paths
            name = derive_again(settings=settings, model=model, progress=progress)
            mended = check_generation(catalog, name, settings=settings, model=model)
            if not any(finding.problems for finding in mended):
                return (
                    f"{name} holds the same articles; keyword index, words and Chroma were made anew, nothing was "
                    "embedded"
                )
    except (IndexLockedError, IndexUnreachableError):
        raise  # a build from the corpus would throw the draft away and embed all of it
    except IndexStateError as exc:
        log.info("building anew, as %s", exc)
    paths = [_place_again(one, settings.corpus) for one in noted] or [settings.corpus]
    report = build_index(paths, settings=settings, model=model, progress=progress, anew=True)
    return f"{report.generation} was built anew from {', '.join(map(str, paths))}: {report.n_articles} articles"


def _place_again(noted: str, corpus: Place) -> Place:
    """The place that a manifest notes as it is shown, without what may be secret."""
    if str(corpus) == noted:
        return corpus
    if not is_whole(noted):
        raise CorpusError(f"{noted!r} is noted without what may be secret in it; name it again: otvet index URL")
    return place_of(noted)
