"""Made-up news, an event an article, and questions that each article answers: as many as wanted, no two alike."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

FIRST_DAY = date(2024, 1, 1)
CONSONANTS, VOWELS, ENDS = "бвгдзклмнпрст", "аеио", ("ов", "ин", "ев")
# What was made, where its people come from, what it gives, what was said of it
THINGS = (
    ("ткацкую фабрику", "ткачей", "тонн полотна", "Прежде полотно сюда возили по реке, и зимой его не хватало."),
    ("областную больницу", "врачей", "коек", "До сих пор больных возили за сто вёрст, и дорога занимала полдня."),
    ("судоремонтный завод", "корабелов", "катеров", "Старый док закрыли ещё в прошлом веке, когда река обмелела."),
    ("музей стекла", "экскурсоводов", "экспонатов", "Первые вазы передал в дар внук последнего здешнего стеклодува."),
    ("солнечную станцию", "инженеров", "мегаватт-часов", "Ночью город по-прежнему берёт ток у соседней области."),
    ("библиотеку", "библиотекарей", "томов", "Редкие книги останутся в хранилище, читателям выдадут копии."),
    ("молочный завод", "технологов", "тонн сыра", "Молоко дают окрестные хозяйства, самое дальнее в семи верстах."),
    ("ледовый дворец", "тренеров", "зрительских мест", "Лёд готовят ночью, и к утру он держит любую нагрузку."),
    ("обсерваторию", "астрономов", "снимков неба", "Купол весит как два паровоза и вращается без единого звука."),
    ("консерваторию", "преподавателей", "студентов", "Рояли привезли в ящиках с опилками и настраивали месяц."),
)
TEXT = """
Компания «{firm}» открыла в городе {town} {thing}. На стройку ушло {cost} миллионов рублей, а длилась она {months}
месяцев. Ленточку перерезала директор {head}.

{said} Сейчас здесь работает {people} {workers}, а за год обещают {output} {units}. По словам директора, «{firm}» не
будет повышать цены до {year} года.

Первым посетителем стал учитель {guest}, который приехал на велосипеде. Мэр города {town} пообещал проложить сюда дорогу
длиной {road} километров. Противники стройки собрали {signatures} подписей, но суд оставил их жалобу без ответа.
"""
PARAGRAPHS = [paragraph.replace("\n", " ") for paragraph in TEXT.strip().split("\n\n")]
QUESTIONS = (
    "Сколько миллионов рублей стоило открыть {thing} в городе {town}?",
    "Кто директор компании «{firm}»?",
    "Сколько {workers} работает в компании «{firm}» в городе {town}?",
    "Сколько {units} за год обещает «{firm}»?",
    "До какого года «{firm}» не будет повышать цены?",
    "Кто стал первым посетителем, когда {town} получил {thing}?",
    "Какой длины дорогу проложат к «{firm}»?",
    "Сколько подписей собрали противники стройки в городе {town}?",
    "Сколько месяцев компания «{firm}» строила {thing}?",
    "На чём приехал учитель {guest}?",
    "Что открыла в городе {town} компания «{firm}»?",
    "How many million roubles did the company «{firm}» spend in {town}?",
)


@dataclass(frozen=True, slots=True)
class Event:
    """What an article tells, by the names in `TEXT`."""

    number: int
    told: dict[str, object]

    @property
    def text(self) -> str:
        """Of the article."""
        return "\n\n".join(PARAGRAPHS).format(**self.told)

    @property
    def questions(self) -> list[str]:
        """Those that the article answers, none of them like one of another article."""
        return [question.format(**self.told) for question in QUESTIONS]

    def changed(self) -> "Event":
        """The event as a corrected article tells it: at another cost."""
        return replace(self, told={**self.told, "cost": 1000 + self.number})


def make_events(n_events: int, *, seed: int = 0) -> list[Event]:
    """The same ones every time."""
    rng = random.Random(seed)
    return [Event(number, _told(rng)) for number in range(n_events)]


def _told(rng: random.Random) -> dict[str, object]:
    thing, workers, units, said = rng.choice(THINGS)
    names = {"firm": _name(rng), "town": _name(rng), "head": f"{_name(rng)}а", "guest": _name(rng)}
    highest = {"cost": 900, "months": 60, "people": 800, "output": 9000, "road": 70, "signatures": 9000}
    numbers = {name: rng.randint(5, most) for name, most in highest.items()}
    return {
        "thing": thing,
        "workers": workers,
        "units": units,
        "said": said,
        "year": rng.randint(2027, 2060),
        **names,
        **numbers,
    }


def _name(rng: random.Random) -> str:
    return "".join(rng.choice(CONSONANTS) + rng.choice(VOWELS) for _ in range(3)).capitalize() + rng.choice(ENDS)


def write_articles(path: Path, events: Sequence[Event]) -> None:
    """A JSONL row each."""
    with path.open("w", encoding="utf-8") as file:
        for event in events:
            article = {
                "title": "В городе {town} открылась «{firm}»".format(**event.told),
                "text": event.text,
                "published_at": (FIRST_DAY + timedelta(event.number % 600)).isoformat(),
                "language": "ru",
            }
            file.write(json.dumps(article, ensure_ascii=False) + "\n")
