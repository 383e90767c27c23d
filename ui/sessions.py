"""Signed cookies for who has logged in, and the key that signs them.

Decision: nothing of a session is kept on the server, so replicas need nothing but the same key, OTVET_SESSION_KEY, and
the same files of users and tokens. Without that setting each data directory has a key of its own.
"""

from pathlib import Path
from secrets import token_hex

from filelock import FileLock
from starlette.middleware.sessions import SessionMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from index.errors import UsersError
from ui.entries import LOCK_TIMEOUT_S, write_private
from ui.settings import Settings

COOKIE = "otvet_session"
KEY_FILE = "session.key"
N_KEY_DIGITS = 64


def signing_key(settings: Settings) -> str:
    """The key that signs sessions: that of the settings, or else that of the data directory.

    Raises:
        UsersError: it cannot be read or written.
    """
    given = settings.session_key
    return given.get_secret_value() if given is not None else session_key(settings.data_dir)


def session_key(data_dir: Path) -> str:
    """The key that signs sessions, made at first use; a restart keeps it, and so the sessions.

    Raises:
        UsersError: it cannot be read or written.
    """
    path = data_dir / KEY_FILE
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f"{KEY_FILE}.lock"), timeout=LOCK_TIMEOUT_S):
            if not path.exists():
                write_private(path, token_hex(N_KEY_DIGITS // 2) + "\n")
        key = path.read_bytes().strip().decode("ascii")
    except (OSError, UnicodeDecodeError) as exc:
        raise UsersError(f"cannot read the key of the sessions {str(path)!r}: {exc}; mend or delete it") from exc
    if len(key) < N_KEY_DIGITS:
        raise UsersError(f"the key of the sessions {str(path)!r} is too short; delete it, and a new one is made")
    return key


class Sessions:
    """Middleware: Starlette's sessions; over HTTPS the cookie is never sent without it."""

    def __init__(self, app: ASGIApp, key: str, max_age_s: int) -> None:
        self._plain, self._secure = (
            SessionMiddleware(app, key, COOKIE, max_age=max_age_s, same_site="strict", https_only=https_only)
            for https_only in (False, True)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the session, answer, and send it back where it has changed."""
        sessions = self._secure if scope.get("scheme") in ("https", "wss") else self._plain
        await sessions(scope, receive, send)
