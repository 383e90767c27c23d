"""What `make run` starts: index the corpus, then serve it, in one process."""

import json
import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path


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
