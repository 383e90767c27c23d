"""Who may change things, and where Otvet may be served: callers with the scope admin; beyond this machine with a login.

Decision: an address that others reach is not listened on unless somebody is asked who they are. What is open by
mistake is read by everybody, and costs its owner a language model.
"""

from ipaddress import IPv6Address, ip_address
from typing import Protocol

from starlette.requests import Request

from index.errors import SettingsError
from ui.callers import Callers, open_callers
from ui.scopes import current_caller
from ui.settings import Settings


class Asks(Protocol):
    """A request of the page: the name of the caller, None where nobody is asked for it."""

    username: str | None


class Admin:
    """Tells who is an administrator.

    Args:
        callers: those who may be let in.
        uploads: whether administrators may bring files.
    """

    def __init__(self, callers: Callers, *, uploads: bool) -> None:
        self._callers = callers
        self._uploads = uploads

    def allows(self, request: Asks) -> bool:
        """Whether an administrator asks, by what the files say now."""
        caller = self._callers.get(request.username) if request.username else None
        return caller is not None and caller.is_admin

    def may_upload(self, request: Request) -> bool:
        """Whether an administrator sends this, where files are taken at all."""
        caller = current_caller(request.scope)
        return self._uploads and caller is not None and caller.is_admin


def check_exposure(settings: Settings) -> None:
    """Do nothing if Otvet may be served with these settings.

    Raises:
        SettingsError: others than this machine could reach it, and nobody is asked who they are.
        UsersError: the file of users is missing or broken.
        TokensError: the file of tokens is missing or broken.
    """
    if open_callers(settings).are_asked or _is_loopback(settings.host):
        return
    tokens = settings.data_dir / "tokens.json"
    raise SettingsError(
        f"host {settings.host!r} (OTVET_HOST) can be reached from other machines, and everybody there could ask and"
        f" read, as neither OTVET_API_TOKENS nor OTVET_USERS is set; run `export OTVET_API_TOKENS={tokens}` and"
        " `otvet tokens add NAME`, then serve again, or serve on 127.0.0.1"
    )


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return host.lower() == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
