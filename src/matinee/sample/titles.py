"""Invented titles in the Netflix Prize format: `id,year,title` in ISO-8859-1, never quoted.

They contain what is hard for CSV readers: commas, paired and unpaired quotes, apostrophes, accents, years `NULL`.
"""

from collections.abc import Callable, Sequence
from random import Random


def _words(text: str) -> list[str]:
    return text.split()


_FIRST_NAMES = _words(
    "Ada Bruno Celia Dexter Edith Fergus Greta Hollis Imogen Jasper Keziah Lionel Mabel Nestor Odile "
    "Percy Quincy Rosalind Silas Tabitha Ulric Verity Winifred Xaver Yolanda Zeno"
)
_ADJECTIVES = _words(
    "Amber Borrowed Crooked Distant Electric Frozen Gilded Hollow Idle Jagged Last Midnight Northern "
    "Orphaned Paper Quiet Restless Second Thirsty Unfinished Velvet Wandering Yellow Zealous"
)
_NOUNS = _words(
    "Anchor Bakery Carousel Detective Elevator Ferryman Garden Harvest Island Juggler Kingdom "
    "Lighthouse Mirror Notebook Orchard Projectionist Quarry River Staircase Telegram Umbrella Violin "
    "Weathervane Xylophone Zeppelin"
)
_ACCENTED = ("Café", "Élodie", "Señor", "Über", "Forêt", "Smörgås", "Ångström", "Naïve", "Leçon", "Coração")

_Pick = Callable[[Sequence[str]], str]

# One title in a hundred is made each of these ways; the rest are plain.
_MARKED: tuple[Callable[[_Pick], str], ...] = (
    lambda pick: f"{pick(_NOUNS)}, {pick(_NOUNS)} and {pick(_ADJECTIVES)} {pick(_NOUNS)}",
    lambda pick: f'The "{pick(_ADJECTIVES)} {pick(_NOUNS)}" Affair',
    lambda pick: f"{pick(_ACCENTED)} {pick(_NOUNS)}",
    lambda pick: f'"{pick(_ADJECTIVES)}" {pick(_FIRST_NAMES)}: Live, Uncut',
    lambda pick: f'The 9" {pick(_NOUNS)}',
    lambda pick: f"20,000 {pick(_NOUNS)}s Under the {pick(_NOUNS)}",
    lambda pick: f"L'{pick(_ACCENTED)}, d'après {pick(_FIRST_NAMES)}",
)
_PLAIN: tuple[Callable[[_Pick], str], ...] = (
    lambda pick: f"The {pick(_ADJECTIVES)} {pick(_NOUNS)}",
    lambda pick: f"{pick(_FIRST_NAMES)}'s {pick(_NOUNS)}",
    lambda pick: f"{pick(_NOUNS)} of the {pick(_ADJECTIVES)} {pick(_NOUNS)}",
    lambda pick: f"{pick(_FIRST_NAMES)} and {pick(_FIRST_NAMES)}: Season {pick('1234567')}",
)
_EVERY = 100
_YEARS = (1915, 2005)


def invent_titles(movies: int, *, seed: int) -> list[str]:
    """The lines of movies 1 to `movies`, without line ends; with seven movies or more, each special form occurs."""
    chance = Random(f"titles {seed}")  # nosec B311 # sample data, the same for a seed; no secret
    ways = list(range(movies))
    chance.shuffle(ways)
    return [
        f"{movie},{invent_year(chance, way=way)},{invent_title(chance, way=way)}"
        for movie, way in enumerate(ways, start=1)
    ]


def invent_title(chance: Random, *, way: int) -> str:
    """One title; `way` modulo 100 selects its special form, or none."""
    way %= _EVERY
    return _MARKED[way](chance.choice) if way < len(_MARKED) else chance.choice(_PLAIN)(chance.choice)


def invent_year(chance: Random, *, way: int) -> str:
    """A year, mostly a late one, or NULL in one of a thousand."""
    first, last = _YEARS
    return "NULL" if way % 1000 == 5 else str(round(last - (last - first) * chance.random() ** 3))
