"""`otvet index --watch` as a process: what it indexes when, and that nothing but Ctrl+C ends it."""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from index.generations import WRITER, index_root, writing
from processes import OTVET, environment, wait_for
from ui.watching import QUIET_S

BRIDGE = "date 2025-03-01 Старый мост через реку закрыли на ремонт."


class Watching:
    """A running watch and what it said so far."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process, self.folder = process, folder
        self.corpus = folder / "corpus"
        self.n_told = 0

    def told(self) -> str:
        return (self.folder / "watch.err").read_text()

    def reports(self) -> list[dict[str, Any]]:
        lines = (self.folder / "watch.out").read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def next_report(self) -> dict[str, Any]:
        """That of the next build, as soon as there is one."""

        def find() -> list[dict[str, Any]]:
            assert self.process.poll() is None, self.told()
            return self.reports()[self.n_told :]

        report = wait_for(find)[0]
        self.n_told += 1
        return report

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


def hear_ctrl_c() -> None:
    """What a shell starts in the background is deaf to it, and so would be what these tests start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def watching(folder: Path, data: str = "data") -> Iterator[Watching]:
    command = [OTVET, "index", "--watch", "--json", "corpus"]
    with (folder / "watch.out").open("w") as out, (folder / "watch.err").open("w") as err:
        with subprocess.Popen(
            command,
            env=environment(folder / data),
            cwd=folder,
            stdout=out,
            stderr=err,
            text=True,
            preexec_fn=hear_ctrl_c,
        ) as process:
            try:
                yield Watching(process, folder)
            finally:
                process.kill()


@pytest.fixture(scope="module")
def kept_watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watching]:
    folder = tmp_path_factory.mktemp("watch")
    (folder / "corpus").mkdir()
    (folder / "corpus/bridge.txt").write_text(BRIDGE)
    with watching(folder) as watch:
        assert watch.next_report()["n_added"] == 1
        yield watch


@pytest.fixture
def watch(kept_watch: Watching) -> Watching:
    """A watch that has told all; the corpus holds the bridge at least."""
    assert len(kept_watch.reports()) == kept_watch.n_told
    return kept_watch


def test_an_added_article_is_indexed(watch: Watching) -> None:
    (watch.corpus / "ferry.txt").write_text("date 2025-03-02 Паром снова ходит у дальнего причала.")
    report = watch.next_report()
    assert (report["published"], report["n_added"], report["n_unchanged"]) == (True, 1, 1)
    (watch.corpus / "below").mkdir()
    (watch.corpus / "ferry.txt").rename(watch.corpus / "below/ferry.txt")
    report = watch.next_report()
    assert (report["n_moved"], report["n_embedded"]) == (1, 0)
    shutil.rmtree(watch.corpus / "below")
    assert watch.next_report()["n_deleted"] == 1


def test_a_file_is_read_only_when_it_is_whole(watch: Watching) -> None:
    n_pieces = 6
    rows = [json.dumps({"title": f"Порт {n}", "text": f"В порт {n} пришло судно."}) for n in range(n_pieces)]
    with (watch.corpus / "ports.jsonl").open("w") as file:
        for row in rows:
            half = len(row) // 2
            for piece in (row[:half], row[half:] + "\n"):
                file.write(piece)
                file.flush()
                time.sleep(QUIET_S / 3)
    report = watch.next_report()
    assert (report["n_added"], report["failed"]) == (n_pieces, [])
    (watch.corpus / "ports.jsonl").unlink()
    assert watch.next_report()["n_deleted"] == n_pieces


def test_what_readers_pass_over_starts_nothing(watch: Watching) -> None:
    for name in (".hidden.txt", "bridge.txt~", "picture.png", "half.txt.part", ".git/index.txt"):
        (watch.corpus / name).parent.mkdir(exist_ok=True)
        (watch.corpus / name).write_text("nothing")
    time.sleep(QUIET_S + 1.5)
    assert len(watch.reports()) == watch.n_told
    assert not (index_root(watch.folder / "data") / WRITER).exists()


def test_while_another_builds_it_waits(watch: Watching) -> None:
    with writing(watch.folder / "data"):
        (watch.corpus / "school.txt").write_text("date 2025-03-04 В посёлке открыли новую школу.")
        wait_for(lambda: "another build is running" in watch.told())
    assert watch.next_report()["n_added"] == 1
    (watch.corpus / "school.txt").unlink()
    assert watch.next_report()["n_deleted"] == 1


def test_a_corpus_that_is_deleted_and_made_again_is_watched_on(watch: Watching) -> None:
    shutil.rmtree(watch.corpus)
    wait_for(lambda: "does not exist" in watch.told())
    watch.corpus.mkdir()
    wait_for(lambda: "there is no readable article" in watch.told())
    (watch.corpus / "bridge.txt").write_text(BRIDGE)
    (watch.corpus / "tunnel.txt").write_text("date 2025-03-03 Тоннель под холмом открыли.")
    assert watch.next_report()["n_added"] == 1
    shutil.rmtree(watch.corpus)  # at once, so that the system may use the same place on the disk again
    watch.corpus.mkdir()
    (watch.corpus / "bridge.txt").write_text(BRIDGE)
    assert watch.next_report()["n_deleted"] == 1
    (watch.corpus / "market.txt").write_text("date 2025-03-05 Рынок на площади открылся.")
    assert watch.next_report()["n_added"] == 1


def test_ctrl_c_ends_it(kept_watch: Watching) -> None:
    assert kept_watch.interrupt() == 0
    assert "Traceback" not in kept_watch.told()
    assert kept_watch.told().startswith("Watching corpus; Ctrl+C stops\n")
    assert kept_watch.told().endswith("Stopped\n")


def test_an_index_among_its_articles_does_not_start_itself(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus/bridge.txt").write_text(BRIDGE)
    with watching(tmp_path, data="corpus/data") as watch:
        assert watch.next_report()["n_added"] == 1
        time.sleep(QUIET_S + 2)
        assert len(watch.reports()) == 1
        assert watch.interrupt() == 0


def test_ctrl_c_ends_it_in_the_midst_of_a_build(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    for number in range(300):
        (tmp_path / f"corpus/port-{number}.txt").write_text(f"date 2025-04-01 Порт номер {number} принял судно.")
    writer = index_root(tmp_path / "data") / WRITER
    with watching(tmp_path) as watch:
        wait_for(lambda: "Watching" in watch.told() and (writer.exists() or watch.reports()))
        time.sleep(1)
        assert watch.interrupt() == 0
    assert "Traceback" not in watch.told()
    assert watch.told().endswith("Stopped\n")
