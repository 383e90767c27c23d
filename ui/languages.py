"""Which language to speak with whoever sends a request, and what the languages of articles are called."""

from collections.abc import Mapping
from typing import Protocol

from index.text import Language

LANGUAGES: dict[str, dict[Language, str]] = {
    "ru": {"ru": "русский", "en": "Russian"},
    "en": {"ru": "английский", "en": "English"},
    "uk": {"ru": "украинский", "en": "Ukrainian"},
    "be": {"ru": "белорусский", "en": "Belarusian"},
    "bg": {"ru": "болгарский", "en": "Bulgarian"},
    "sr": {"ru": "сербский", "en": "Serbian"},
    "kk": {"ru": "казахский", "en": "Kazakh"},
    "es": {"ru": "испанский", "en": "Spanish"},
    "pt": {"ru": "португальский", "en": "Portuguese"},
    "fr": {"ru": "французский", "en": "French"},
    "de": {"ru": "немецкий", "en": "German"},
    "it": {"ru": "итальянский", "en": "Italian"},
    "pl": {"ru": "польский", "en": "Polish"},
    "tr": {"ru": "турецкий", "en": "Turkish"},
    "ar": {"ru": "арабский", "en": "Arabic"},
    "fa": {"ru": "персидский", "en": "Persian"},
    "he": {"ru": "иврит", "en": "Hebrew"},
    "zh": {"ru": "китайский", "en": "Chinese"},
    "und": {"ru": "не определён", "en": "unknown"},
}


class Sent(Protocol):
    """A request of any framework."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What the browser says of itself."""


def language_of(request: Sent) -> Language:
    """The language that the browser asks for."""
    return preferred_language(request.headers.get("accept-language", ""))


def preferred_language(accept_language: str) -> Language:
    """Russian where the browser names it before English, else English."""
    codes = [part.strip()[:2].lower() for part in accept_language.split(",")]
    return "ru" if "ru" in codes and ("en" not in codes or codes.index("ru") < codes.index("en")) else "en"


def language_name(code: str, language: Language) -> str:
    """What a language is called in another; its code where that is not known."""
    return LANGUAGES[code][language] if code in LANGUAGES else code
