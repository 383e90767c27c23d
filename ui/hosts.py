"""Which names of this server a request may give as Host, so that no page becomes one of ours by its DNS (rebinding).

Decision: addresses always pass. A page that has its own name point here is of the same origin to the browser, which
then lets it read everything; but its requests still carry that name. None carries an address but those to that address.
Decision: ours, as Starlette's TrustedHostMiddleware lets no addresses pass but those listed, leads to `www.` by itself
and answers without problem details.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from index.errors import SettingsError
from ui.error_handlers import told
from ui.problems import SHORT, Kind, Problem

NAME = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*"
HOST = re.compile(rf"(?:(?P<name>{NAME})\.?|\[(?P<v6>[0-9a-f:.]+)\])(?::\d{{0,5}})?")
ALLOWED = re.compile(rf"(?:\*\.)?{NAME}")
MAX_CHARS = 300  # a name has 253, then comes the port


class HostCheck:
    """Middleware that answers 400 to a request for a host that is not this one.

    Args:
        app: what is guarded.
        allowed_hosts: names, or `*.example.org` for all below one; an address, `localhost` and `own_host` always pass.
        own_host: what the server listens on.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: Sequence[str], own_host: str) -> None:
        self._app = app
        names = allowed_names(allowed_hosts)
        self._names = {"localhost", own_host.lower(), *names}
        self._endings = tuple(name[1:] for name in names if name.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse; a websocket as well."""
        problem = self._problem(Headers(scope=scope).getlist("host")) if scope["type"] != "lifespan" else None
        await (told(scope["path"], problem) if problem else self._app)(scope, receive, send)

    def _problem(self, hosts: list[str]) -> Problem | None:
        if len(hosts) != 1:
            return Problem(Kind.HOST, f"there are {len(hosts)} headers Host; send one, with the name of this server")
        found = HOST.fullmatch(hosts[0].lower()) if len(hosts[0]) <= MAX_CHARS else None
        if found is None:
            return Problem(Kind.HOST, f"the header Host is {SHORT.repr(hosts[0])}; send a name or an address")
        name, v6 = found["name"], found["v6"]
        if _is_address(name, v6) or name in self._names or (name or "").endswith(self._endings):
            return None
        return Problem(
            Kind.HOST,
            f"{SHORT.repr(name or v6)} is not known as a name of this server; use its address, or set"
            " OTVET_ALLOWED_HOSTS to the names that it has, and restart",
        )


def allowed_names(allowed_hosts: Sequence[str]) -> tuple[str, ...]:
    """The names as browsers send them: in lower case, in ASCII.

    Raises:
        SettingsError: one of them is no name.
    """
    return tuple(map(_ascii_name, allowed_hosts))


def _ascii_name(text: str) -> str:
    start, plain = ("*.", text[2:]) if text.startswith("*.") else ("", text)
    try:
        name = start + plain.encode("idna").decode().lower().removesuffix(".")
    except UnicodeError:
        name = ""
    if not ALLOWED.fullmatch(name):
        raise SettingsError(
            f"setting 'allowed_hosts' (OTVET_ALLOWED_HOSTS) has {text!r}; give names without scheme and port,"
            " such as otvet.example.org or *.example.org"
        )
    return name


def _is_address(name: str | None, v6: str | None) -> bool:
    try:
        IPv4Address(name) if name is not None else IPv6Address(v6 or "")
    except ValueError:
        return False
    return True
