"""`otvet doctor --repair` where it must not fall back to the corpus, and where that is a URL with secrets."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from index.embedding import EmbeddingModel
from index.errors import CorpusError, IndexLockedError, IndexStateError, IndexUnreachableError
from index.generations import current_generation, index_root
from index.rebuild import build_index
from ui.doctor import repair
from ui.settings import load_settings

ROW = '{"text": "В порт пришли два судна с зерном."}\n'.encode()


@pytest.fixture
def url() -> Iterator[str]:
    """An object that is given to who has the signature only."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200 if self.path.endswith("?sig=secret") else 403)
            self.send_header("Content-Length", str(len(ROW)))
            self.send_header("ETag", '"1"')
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(ROW)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/a.jsonl"
    server.shutdown()
    thread.join()
    server.server_close()


def damage_texts() -> None:
    data_dir = load_settings().data_dir
    path = index_root(data_dir) / str(current_generation(data_dir)) / "texts.utf8"
    path.write_bytes(path.read_bytes().replace("судна".encode(), "СУДНА".encode()))


@pytest.mark.parametrize("error", [IndexUnreachableError, IndexLockedError])
def test_a_server_that_is_away_or_another_build_embeds_nothing_anew(
    tmp_path: Path, model: EmbeddingModel, monkeypatch: pytest.MonkeyPatch, error: type[IndexStateError]
) -> None:
    """`progress` raises what a server would that goes away while it is written to."""
    (tmp_path / "a.jsonl").write_bytes(ROW)
    monkeypatch.setenv("OTVET_CORPUS", str(tmp_path / "a.jsonl"))
    build_index([tmp_path / "a.jsonl"], settings=load_settings(), model=model)
    stages: list[str] = []

    def progress(stage: str, done: int, total: int) -> None:
        stages.append(stage)
        if stage in ("words", "store"):
            raise error("it went away")

    with pytest.raises(error, match="it went away"):
        repair(progress)
    assert "read" not in stages
    assert "embed" not in stages


def test_a_url_with_secrets_is_read_again(url: str, model: EmbeddingModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTVET_CORPUS", f"{url}?sig=secret")
    settings = load_settings()
    build_index([settings.corpus], settings=settings, model=model)
    damage_texts()
    monkeypatch.setenv("OTVET_CORPUS", "elsewhere")
    with pytest.raises(CorpusError, match=r"a\.jsonl\?\.\.\.' .* name it again: otvet index URL"):
        repair()
    monkeypatch.setenv("OTVET_CORPUS", f"{url}?sig=secret")
    told = repair()
    assert f"was built anew from {url}?...: 1 articles" in told
    assert "secret" not in told
