"""The login form as a page of HTML: no script, nothing from elsewhere. Pure functions; a name is mere text."""

from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import Literal

from index.text import Language

Trouble = Literal["wrong", "slowed"]

WORDS: dict[str, dict[Language, str]] = {
    "title": {"ru": "Вход · Ответ", "en": "Log in · Otvet"},
    "heading": {"ru": "Ответ", "en": "Otvet"},
    "lead": {"ru": "Войдите, чтобы спрашивать у\u00a0статей.", "en": "Log in to ask the articles."},
    "with_token": {
        "ru": "С\u00a0токеном: его имя, а\u00a0вместо пароля\u00a0— сам токен.",
        "en": "With a token: its name, and the token as the password.",
    },
    "name": {"ru": "Имя", "en": "Name"},
    "password": {"ru": "Пароль", "en": "Password"},
    "submit": {"ru": "Войти", "en": "Log in"},
    "wrong": {
        "ru": "Неверное имя или пароль. Проверьте раскладку и Caps\u00a0Lock.",
        "en": "Wrong name or password. Check the keyboard layout and Caps\u00a0Lock.",
    },
    "slowed": {
        "ru": "Слишком много неудачных попыток. Следующая возможна через {wait}.",
        "en": "Too many failed attempts. You can try again in {wait}.",
    },
    "seconds": {"ru": "{n}\u00a0с", "en": "{n}\u00a0s"},
    "minutes": {"ru": "{n}\u00a0мин", "en": "{n}\u00a0min"},
    "on": {"ru": "Открыть страницу", "en": "Open the page"},
}

PAGE_CSS = """
:root { color-scheme: light dark; --accent: #047857; --ink: #1c1917; --soft: #57534e; --line: #8a837d;
  --card: #fff; --ground: #f5f5f4; --alert: #991b1b; --alert-ground: #fef2f2; --on-accent: #fff; }
@media (prefers-color-scheme: dark) { :root { --accent: #34d399; --ink: #f5f5f4; --soft: #b5aea8; --line: #857f79;
  --card: #292524; --ground: #1c1917; --alert: #fecaca; --alert-ground: #4c1515; --on-accent: #052e22; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; min-height: 100dvh; display: grid; place-items: center; padding: 1.25rem;
  background: var(--ground); color: var(--ink); font: 1rem/1.5 "IBM Plex Sans", system-ui, sans-serif; }
main { width: 100%; max-width: 24rem; padding: 2rem 1.75rem; background: var(--card); border-radius: 1rem;
  box-shadow: 0 1px 2px rgb(0 0 0 / .12), 0 12px 32px rgb(0 0 0 / .1); }
h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; letter-spacing: -.01em; }
h1::after { content: ""; display: block; width: 2.5rem; height: .25rem; margin: .6rem 0 .9rem; border-radius: 1rem;
  background: var(--accent); }
p { margin: 0 0 1.25rem; color: var(--soft); }
.alert { padding: .7rem .9rem; border-radius: .6rem; color: var(--alert); background: var(--alert-ground);
  border-left: .25rem solid currentColor; }
label { display: block; margin: 0 0 1rem; font-weight: 600; }
input { display: block; width: 100%; margin-top: .3rem; padding: .65rem .8rem; font: inherit; font-weight: 400;
  color: inherit; background: var(--ground); border: 1px solid var(--line); border-radius: .6rem; }
button { width: 100%; margin-top: .5rem; padding: .75rem; font: inherit; font-weight: 700; cursor: pointer;
  color: var(--on-accent); background: var(--accent); border: 0; border-radius: .6rem; }
button:hover { filter: brightness(1.08); }
input:focus-visible, button:focus-visible, a:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
a { color: var(--accent); }
@media (max-width: 30rem) { body { place-items: start center; padding: 1rem; } main { padding: 1.5rem 1.25rem; } }
"""
PAGE_POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(PAGE_CSS.encode()).digest()).decode()}'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
ICON = "data:,"  # else browsers ask for /favicon.ico, which needs a login


def login_page(
    language: Language,
    *,
    next_path: str,
    name: str = "",
    trouble: Trouble | None = None,
    wait_s: int = 0,
    takes_tokens: bool = False,
) -> str:
    """The form.

    Args:
        language: of its words.
        next_path: where a login leads to.
        name: what was typed before.
        trouble: what was wrong with the last attempt.
        wait_s: how long one that is slowed waits, in seconds.
        takes_tokens: whether a token will do for a password, which is told then.
    """
    alert = ""
    if trouble is not None:
        message = WORDS[trouble][language].format(wait=_wait(wait_s, language))
        alert = f'<p class="alert" role="alert" id="trouble">{escape(message)}</p>'
    described = ' aria-describedby="trouble"' if trouble else ""
    invalid = ' aria-invalid="true"' if trouble == "wrong" else ""
    focus_name, focus_password = ("", " autofocus") if name else (" autofocus", "")
    token = f"<p>{WORDS['with_token'][language]}</p>" if takes_tokens else ""
    body = (
        f"<h1>{WORDS['heading'][language]}</h1><p>{WORDS['lead'][language]}</p>{token}{alert}"
        '<form method="post" action="/login">'
        f'<input type="hidden" name="next" value="{escape(next_path)}">'
        f'<label>{WORDS["name"][language]}<input name="name" value="{escape(name)}" required maxlength="64"'
        f' autocomplete="username" autocapitalize="none" spellcheck="false"{invalid}{described}{focus_name}></label>'
        f'<label>{WORDS["password"][language]}<input name="password" type="password" required'
        f' autocomplete="current-password"{invalid}{described}{focus_password}></label>'
        f"<button>{WORDS['submit'][language]}</button></form>"
    )
    return _page(language, body)


def going_on_page(language: Language, *, next_path: str) -> str:
    """A page that opens another one of ours by itself; the browser then sends the cookie along."""
    link = f'<p><a href="{escape(next_path)}">{WORDS["on"][language]}</a></p>'
    return _page(language, link, head=f'<meta http-equiv="refresh" content="0; url={escape(next_path)}">')


def _wait(wait_s: int, language: Language) -> str:
    unit, n = ("seconds", wait_s) if wait_s < 120 else ("minutes", -(-wait_s // 60))
    return WORDS[unit][language].format(n=n)


def _page(language: Language, body: str, *, head: str = "") -> str:
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{WORDS["title"][language]}</title><link rel="icon" href="{ICON}">{head}'
        f"<style>{PAGE_CSS}</style></head><body><main>{body}</main></body></html>"
    )
