"""Who may change things: administrators among those who log in, else whoever knows OTVET_ADMIN_TOKEN."""

from secrets import compare_digest
from typing import Protocol

from starlette.requests import Request

from ui.gradio_guard import has_permit
from ui.login import current_user
from ui.settings import Settings
from ui.users import Users


class Asks(Protocol):
    """A request of the page: who asks, None where nobody logs in."""

    username: str | None


class Admin:
    """Tells who is an administrator.

    Args:
        settings: with the token, and whether people log in.
        users: those who may log in, None where nobody has to.
    """

    def __init__(self, settings: Settings, users: Users | None) -> None:
        self._token = settings.admin_token
        self._users = users
        self._uploads = settings.uploads

    def allows(self, request: Asks, token: str | None) -> bool:
        """Whether a logged-in administrator asks, or the right token was typed."""
        if self._users is not None:
            user = self._users.get(request.username) if request.username else None
            return user is not None and user.is_admin
        if self._token is None:
            return False
        return compare_digest((token or "").encode(errors="replace"), self._token.get_secret_value().encode())

    def may_upload(self, request: Request) -> bool:
        """Whether an administrator sends this, by the session, or by the cookie that the token is answered with."""
        if not self._uploads:
            return False
        if self._users is None:
            return has_permit(request, self._token)
        user = current_user(request.scope)
        return user is not None and user.is_admin
