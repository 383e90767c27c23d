"""`otvet users`: who may log in. Acts on the file that OTVET_USERS names."""

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from index.errors import SettingsError
from ui.settings import load_settings
from ui.users import Users

users_app = typer.Typer(help="Say who may log in; the file is that of OTVET_USERS.", no_args_is_help=True)
out = Console()


@users_app.command()
def add(
    name: Annotated[str, typer.Argument(help="1 to 64 characters; case does not matter.")],
    is_admin: Annotated[
        bool | None, typer.Option("--admin/--no-admin", help="Whether this user may rebuild the index.")
    ] = None,
) -> None:
    """Add a user, or set a new password for one; whoever is logged in with the old one is logged out.

    Asks for the password twice. Where the input is no terminal, its first line is the password.
    """
    users = _users()
    users.all()  # a broken file is told of before a password is asked for
    user = users.add(name, _ask_password(), is_admin=is_admin)
    _tell(f"{user.name!r} may log in{' as an administrator' if user.is_admin else ''}; kept in {users.path}")


@users_app.command("list")
def list_users(
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
) -> None:
    """List the users."""
    users = _users()
    found = users.all()
    if as_json:
        sys.stdout.write(json.dumps([asdict(user) for user in found], ensure_ascii=False, indent=2) + "\n")
        return
    if not found:
        _tell(f"Nobody may log in yet; `otvet users add NAME` adds a user to {users.path}")
        return
    table = Table("Name", "Administrator", box=SIMPLE)
    for user in found:
        table.add_row(escape(user.name), "yes" if user.is_admin else "")
    out.print(table)


@users_app.command()
def remove(name: Annotated[str, typer.Argument(help="As `otvet users list` shows it.")]) -> None:
    """Remove a user, who is logged out at once."""
    users = _users()
    user = users.remove(name)
    _tell(f"Removed {user.name!r} from {users.path}")


def _users() -> Users:
    settings = load_settings()
    if settings.users is None:
        example = settings.data_dir / "users.json"
        raise SettingsError(
            f"OTVET_USERS is not set, so there is no file of users; set it, for example: export OTVET_USERS={example}"
        )
    return Users(settings.users)


def _ask_password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


def _tell(what: str) -> None:
    out.print(escape(what), soft_wrap=True, highlight=False)
