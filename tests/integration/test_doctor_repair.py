"""`otvet doctor --repair`, with the real model: from the index's own files, and from the articles."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from index.embedding import EmbeddingModel
from index.generations import current_generation, index_root
from index.rebuild import build_index
from ui.cli import main
from ui.settings import load_settings

Doctor = Callable[..., tuple[int, str]]


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Doctor:
    """Runs the command inside this process and tells exit code and output."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["otvet", "doctor", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), " ".join((captured.out + captured.err).split())

    return run


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "articles"
    folder.mkdir()
    (folder / "grain.txt").write_text("date 2024-03-01 В порт пришли два судна с зерном. Разгрузили их за одну ночь.")
    (folder / "bridge.txt").write_text("Старый мост через реку закрыли на ремонт до осени.")
    (folder / "broken.jsonl").write_text('{"text": 5}\n')
    monkeypatch.setenv("OTVET_CORPUS", str(folder))
    return folder


def generation() -> Path:
    data_dir = Path(os.environ["OTVET_DATA_DIR"])
    return index_root(data_dir) / str(current_generation(data_dir))


def test_doctor_repairs(doctor: Doctor, corpus: Path, model: EmbeddingModel) -> None:
    build_index([corpus], settings=load_settings(), model=model)
    code, told = doctor()
    assert code == 0, told
    assert "2 articles, 2 chunks; 2 added, 0 changed, 0 unchanged, 0 moved, 0 deleted, 0 duplicates, 1 failed" in told
    assert "broken.jsonl:1" in told

    (generation() / "chroma" / "0000" / "chroma.sqlite3").write_bytes(b"no")
    code, told = doctor()
    assert (code, "otvet doctor --repair" in told) == (1, True)
    code, told = doctor("--repair")
    assert (code, "nothing was embedded" in told) == (0, True)

    path = generation() / "texts.utf8"
    path.write_bytes(path.read_bytes().replace("судна".encode(), "СУДНА".encode()))
    code, told = doctor()
    assert (code, "another content" in told) == (1, True)
    code, told = doctor("--repair")
    assert (code, "was built anew from" in told) == (0, True)
    assert doctor()[0] == 0


def test_doctor_builds_what_is_missing_and_tells_what_it_cannot(doctor: Doctor, corpus: Path) -> None:
    code, told = doctor("--repair")
    assert (code, "was built anew from" in told) == (0, True)
    (generation() / "manifest.json").write_text("{")
    for path in corpus.iterdir():
        path.unlink()
    code, told = doctor("--repair")
    assert (code, "no readable article" in told) == (1, True)
