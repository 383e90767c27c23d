"""Everybody who may be let in: the users of one file and the tokens of another, as callers with scopes."""

from ui.scopes import ASK_AND_READ, Caller, Scope
from ui.settings import Settings
from ui.tokens import Token, Tokens
from ui.users import User, Users

TOKEN_MARK = "token:"  # no name has a colon, so that a token is never taken for the user of its name


class Callers:
    """Tells who a name, a password or a token stands for. Safe between threads.

    Args:
        users: those who log in by name and password, None where there are none.
        tokens: what programs send, None where there are none.
    """

    def __init__(self, users: Users | None = None, tokens: Tokens | None = None) -> None:
        self._users = users
        self._tokens = tokens

    @property
    def are_asked(self) -> bool:
        """Whether a request has to say who sends it; else everybody may ask and read."""
        return self._users is not None or self._tokens is not None

    @property
    def have_tokens(self) -> bool:
        """Whether there are tokens."""
        return self._tokens is not None

    def get(self, name: str) -> Caller | None:
        """The caller of this name, as it stands in a Caller."""
        if name.startswith(TOKEN_MARK):
            token = self._tokens.get(name.removeprefix(TOKEN_MARK)) if self._tokens else None
            return _token_caller(token) if token else None
        user = self._users.get(name) if self._users else None
        return _user_caller(user) if user else None

    def by_token(self, token: str, *, name: str | None = None) -> Caller | None:
        """Who sends this token; where a name is given, only if it is the name of the token."""
        found = self._tokens.check(token) if self._tokens else None
        named = self._tokens.get(name) if self._tokens and name is not None else found
        return _token_caller(found) if found and found == named else None

    def by_password(self, name: str, password: str) -> Caller | None:
        """The user with this password. Takes as long as a password is meant to, see ui/users.py."""
        user = self._users.check(name, password) if self._users else None
        return _user_caller(user) if user else None

    def fingerprint(self, caller: str) -> str | None:
        """Changes with the password of a user, and with the token of a name; None where there is no such caller."""
        if caller.startswith(TOKEN_MARK):
            return self._tokens.fingerprint(caller.removeprefix(TOKEN_MARK)) if self._tokens else None
        return self._users.fingerprint(caller) if self._users else None


def open_callers(settings: Settings) -> Callers:
    """Those of the files that OTVET_USERS and OTVET_API_TOKENS name.

    Raises:
        UsersError: the file of users is missing or broken.
        TokensError: the file of tokens is missing or broken.
    """
    users = Users(settings.users) if settings.users is not None else None
    tokens = Tokens(settings.api_tokens) if settings.api_tokens is not None else None
    for file in (users, tokens):
        if file is not None:
            file.require()
    return Callers(users, tokens)


def _user_caller(user: User) -> Caller:
    return Caller(user.name, ASK_AND_READ | ({Scope.ADMIN} if user.is_admin else set()))


def _token_caller(token: Token) -> Caller:
    return Caller(TOKEN_MARK + token.name, token.scopes)
