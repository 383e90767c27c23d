"""`otvet tokens`: the tokens that programs send. Acts on the file that OTVET_API_TOKENS names."""

import json
import sys
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from index.errors import SettingsError
from ui.scopes import ASK_AND_READ, Scope, names
from ui.settings import load_settings
from ui.tokens import Token, Tokens

tokens_app = typer.Typer(
    help="Make the tokens that programs send; the file is that of OTVET_API_TOKENS.", no_args_is_help=True
)
out = Console()
err = Console(stderr=True)


@tokens_app.command()
def add(
    name: Annotated[str, typer.Argument(help="1 to 64 characters that tell whose it is; case does not matter.")],
    scopes: Annotated[
        list[Scope] | None,
        typer.Option(
            "--scope",
            help="What is allowed; repeatable. ask: questions. read: search and articles. admin: rebuild the index."
            " Default: ask and read.",
        ),
    ] = None,
) -> None:
    """Make a token. It is printed once and kept as a hash only, so that nobody can tell it again.

    The token alone goes to the standard output, so that TOKEN=$(otvet tokens add NAME) keeps it.
    """
    tokens = _tokens()
    allowed = frozenset(scopes) if scopes else ASK_AND_READ
    token = tokens.add(name, allowed)
    sys.stdout.write(f"{token}\n")
    _tell(
        err,
        f"This token may {names(allowed)}. It is not shown again; send it as the header Authorization: Bearer TOKEN."
        f" Its hash is kept in {tokens.path}",
    )


@tokens_app.command("list")
def list_tokens(
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
) -> None:
    """List the tokens: their names and what they allow."""
    tokens = _tokens()
    found = tokens.all()
    if as_json:
        sys.stdout.write(json.dumps([_as_object(token) for token in found], ensure_ascii=False, indent=2) + "\n")
        return
    if not found:
        _tell(out, f"There are no tokens yet; `otvet tokens add NAME` adds one to {tokens.path}")
        return
    table = Table("Name", "Scopes", "Created", box=SIMPLE)
    for token in found:
        table.add_row(escape(token.name), ", ".join(sorted(token.scopes)), f"{token.created_at:%Y-%m-%d}")
    out.print(table)


@tokens_app.command()
def remove(name: Annotated[str, typer.Argument(help="As `otvet tokens list` shows it.")]) -> None:
    """Remove a token; a running server refuses it from the next request on."""
    tokens = _tokens()
    token = tokens.remove(name)
    _tell(out, f"Removed {token.name!r} from {tokens.path}")


def _tokens() -> Tokens:
    settings = load_settings()
    if settings.api_tokens is None:
        example = settings.data_dir / "tokens.json"
        raise SettingsError(
            "OTVET_API_TOKENS is not set, so there is no file of tokens; set it, for example: export"
            f" OTVET_API_TOKENS={example}"
        )
    return Tokens(settings.api_tokens)


def _as_object(token: Token) -> dict[str, object]:
    return {"name": token.name, "scopes": sorted(token.scopes), "created_at": token.created_at.isoformat()}


def _tell(where: Console, what: str) -> None:
    where.print(escape(what), soft_wrap=True, highlight=False)
