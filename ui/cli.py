"""The terminal: otvet index | ask | serve | mcp | evaluate | models | users | tokens | feedback | doctor.

Heavy libraries are loaded when a command needs them.
"""

import json
import logging
import socket
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from index.errors import ChatModelError, OtvetError, SettingsError
from index.records import Filters
from index.remote import place_of
from index.text import question_language
from qa.model_files import is_pulled
from qa.records import MAX_K, Answer, Mode, Question, Response
from qa.settings import EMBEDDED_CHAT_MODEL, NO_CHAT_MODEL
from qa.squad import EvaluationMode, load_collection
from ui.access import check_exposure
from ui.building import LOCAL, Builder, go_to_background
from ui.feedback_commands import feedback_app
from ui.mcp_command import mcp
from ui.models import models_app, pull_and_tell
from ui.offline import go_offline
from ui.progress import progress_bars
from ui.render import remarks
from ui.schemas import response_out
from ui.settings import Settings, load_settings
from ui.tokens_commands import tokens_app
from ui.users_commands import users_app

if TYPE_CHECKING:
    from qa.engine import Engine

SOME_SKIPPED = 3  # exit code: the index is published, but some articles are not in it

app = typer.Typer(
    help="Answers questions over a corpus of articles, with exact quotes. First: otvet index PATH; then: otvet serve.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(models_app, name="models")
app.add_typer(users_app, name="users")
app.add_typer(tokens_app, name="tokens")
app.add_typer(feedback_app, name="feedback")
out = Console()
err = Console(stderr=True)


@app.command()
def index(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders and URLs (s3:// gs:// https://) with articles (.txt .md .html .jsonl .csv .parquet). "
            "Default: OTVET_CORPUS."
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Then go on: index again whenever articles change. Ctrl+C stops.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one line of JSON.")] = False,
    engine: Annotated[
        str, typer.Option(help="Where to read and embed: local, ray (here), or ray://host:port of a cluster.")
    ] = LOCAL,
    background: Annotated[bool, typer.Option("--background", hidden=True)] = False,
) -> None:
    """Index exactly the articles under PATHS; they replace what was indexed before.

    Only what is new or changed is embedded. The new index is built aside and takes over when it is complete, also in
    a running `otvet serve`. If the build fails, the old one stays. Nothing changed: nothing is written.

    Exit code 3: the index is published, but some articles were skipped; each is named with the reason.
    Exit code 4: another build is running.
    """
    if background:
        go_to_background()
    settings = load_settings()
    builder = Builder(
        [place_of(path) for path in paths or []] or [settings.corpus], settings, as_json=as_json, engine=engine
    )
    if watch:
        builder.watch()
    elif builder.build().failed:
        raise typer.Exit(SOME_SKIPPED)


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="In Russian or English.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the object that POST /answer returns.")] = False,
    k: Annotated[int | None, typer.Option(min=1, max=MAX_K, help="Chunks to retrieve.")] = None,
    mode: Annotated[Mode, typer.Option(help="By quotes, by the language model, or by the one that is there.")] = "auto",
    published_from: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day of publication.")
    ] = None,
    published_to: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day of publication.")
    ] = None,
    publisher: Annotated[str | None, typer.Option(help="Exact name of the publisher.")] = None,
    language: Annotated[str | None, typer.Option(help="Language of the articles, for example ru.")] = None,
    article_ids: Annotated[list[str] | None, typer.Option("--article", help="Only this article; repeatable.")] = None,
    ignore_dates: Annotated[bool, typer.Option(help="Search all dates, whatever the question names.")] = False,
) -> None:
    """Ask a question; get an answer with exact quotes, or the word that the articles have none.

    Example: otvet ask "Что Мадуро просил у Ирана?" --from 2025-10-01 --json
    """
    filters = Filters(
        published_from.date() if published_from else None,
        published_to.date() if published_to else None,
        publisher,
        language,
        tuple(article_ids) if article_ids else None,
    )
    asked = Question(question, k=k, mode=mode, filters=filters, use_dates=not ignore_dates)
    settings = load_settings()
    from qa.engine import open_engine

    with progress_bars() as progress:
        response = open_engine(settings, settings, progress=progress).chain.invoke(asked)
    _print_json(response) if as_json else _print_response(response, question)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: OTVET_HOST, 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. Default: OTVET_PORT, 7860.")] = None,
    index_first: Annotated[bool, typer.Option("--index", help="Index OTVET_CORPUS first.")] = False,
    pull_first: Annotated[
        bool, typer.Option("--pull", help="Fetch the embedded language model first, if used.")
    ] = False,
) -> None:
    """Serve the page and the endpoint; POST /answer, the rest under /docs. Ctrl+C stops."""
    settings = load_settings(host=host, port=port)
    check_exposure(settings)
    listener = _listen(settings)
    if pull_first:
        settings = _pull_if_used(settings)
    if index_first:
        Builder([settings.corpus], settings).build()
    from qa.engine import open_engine

    with progress_bars() as progress:
        engine = open_engine(settings, settings, progress=progress)
    _warm_up(engine)
    from ui.app import make_app
    from ui.logs import set_up_logs
    from ui.serving import run_app

    set_up_logs(settings)
    host_in_url = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = escape(f"http://{host_in_url}:{settings.port}")
    app = make_app(engine, settings)
    run_app(
        app,
        listener,
        asker=app.state.asker,
        stop_timeout_s=settings.stop_timeout_s,
        drain_s=settings.drain_s,
        on_start=lambda: out.print(f"Otvet answers at [bold]{url}[/bold]"),
    )


app.command()(mcp)


@app.command()
def doctor(
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend the index first: from its own files, else from the articles.")
    ] = False,
) -> None:
    """Check settings, models and all of the index; say what is wrong and how to mend it. Exit code 1 if anything is.

    An index that is repaired is built aside, like any other; the old one serves until then.
    """
    from ui.doctor import check_all
    from ui.doctor import repair as repair_index

    with progress_bars() as progress:
        if repair:
            out.print(f"[green]mended[/] {escape(repair_index(progress))}", soft_wrap=True)
        checks = list(check_all(progress))
    for check in checks:
        out.print(f"[{'green]ok  ' if check.ok else 'red]FAIL'}[/] {escape(check.what)}: {escape(check.found)}")
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


@app.command()
def evaluate(
    passages: Annotated[Path, typer.Argument(help="SQuAD-format file; each paragraph becomes one article.")],
    questions: Annotated[
        Path | None, typer.Option(help="SQuAD-format file with the same questions in another language.")
    ] = None,
    mode: Annotated[
        EvaluationMode, typer.Option(help="Answers by quotes, by the language model, or the search alone.")
    ] = "extractive",
    sample: Annotated[int | None, typer.Option(min=1, help="Ask so many questions only.")] = None,
    seed: Annotated[int, typer.Option(help="Draws the sample.")] = 7,
) -> None:
    """Measure search and answers on questions with known answers, in a throw-away index.

    Prints how well the right paragraph is found, how often answers hold the known answer, cite its paragraph and are
    refused when they should be, each with its 95 % interval, and the times; saves all as JSON and Markdown in the
    folder `evaluations` of the data directory. Each question is asked three times: with its answer in the index,
    without its article, and without its paragraph. Ctrl+C stops; the same command then goes on from there.
    """
    settings = load_settings()
    from index.embedding import load_embedding_model
    from qa.chat_models import make_chat_model
    from qa.evaluate import FOLDER
    from qa.evaluate import evaluate as evaluate_all
    from qa.evaluation_report import as_markdown, save

    collection = load_collection(passages, questions, sample=sample, seed=seed)
    with progress_bars() as progress:
        report = evaluate_all(
            collection,
            model=load_embedding_model(settings.embedding_model, cache_dir=settings.cache_dir, progress=progress),
            settings=settings,
            names=(passages.stem, (questions or passages).stem),
            mode=mode,
            answer_settings=settings,
            chat_model=make_chat_model(settings, cache_dir=settings.cache_dir) if mode == "generative" else None,
            progress=progress,
        )
    saved = save(report, settings.data_dir / FOLDER)
    sys.stdout.write(as_markdown(report))
    out.print(f"Saved as {' and '.join(escape(str(path)) for path in saved)}", soft_wrap=True)


def main() -> None:
    """Entry point of the command `otvet`."""
    go_offline()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        app()
    except OtvetError as exc:
        err.print(f"[red]error:[/red] {escape(str(exc))}", soft_wrap=True)
        sys.exit(exc.exit_code)


def _pull_if_used(settings: Settings) -> Settings:
    """Fetch the embedded model where it is used and not there; where that fails, say so and go on by quotes alone."""
    if settings.chat_model != EMBEDDED_CHAT_MODEL or settings.chat_gguf is not None or is_pulled(settings.cache_dir):
        return settings
    try:
        pull_and_tell(settings.cache_dir)
    except ChatModelError as exc:
        err.print(f"[yellow]no language model, so answers are quotes:[/yellow] {escape(str(exc))}", soft_wrap=True)
        return settings.model_copy(update={"chat_model": NO_CHAT_MODEL})
    return settings


def _warm_up(engine: "Engine") -> None:
    """Load the embedded model before anybody asks; where that fails, say so and go on by quotes."""
    if engine.chat_model is None:
        return
    try:
        with err.status("Loading the language model…"):
            engine.warm_up()
    except ChatModelError as exc:
        err.print(f"[yellow]answers are quotes for now:[/yellow] {escape(str(exc))}", soft_wrap=True)


def _listen(settings: Settings) -> socket.socket:
    """Take the port before the models are loaded, so that a port in use is told at once."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only where it is: else each answer waits 40 ms for an ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen()
    except (OSError, UnicodeError) as exc:  # UnicodeError: a host that cannot be a name
        listener.close()
        raise SettingsError(
            f"cannot listen on {settings.host!r}, port {settings.port} ({exc}); free it, or give another"
            " --host or --port"
        ) from exc
    return listener


def _print_json(response: Response) -> None:
    sys.stdout.write(json.dumps(response_out(response).model_dump(mode="json"), ensure_ascii=False, indent=2) + "\n")


def _print_response(response: Response, question: str) -> None:
    out.print(escape(response.text), highlight=False)
    for remark in remarks(response_out(response), question_language(question)):
        out.print(f"[dim]{escape(remark)}[/dim]")
    if isinstance(response, Answer):
        lines = [(f"[{citation.marker}]", citation.source) for citation in response.citations]
    else:
        lines = [("-", source) for source in response.nearest]
    out.print()
    for mark, source in lines:
        details = " · ".join(str(part) for part in (source.title, source.publisher, source.published_at) if part)
        out.print(f"[dim]{escape(mark)} {escape(details)} · {source.article_id}[/dim]", highlight=False)


if __name__ == "__main__":
    main()
