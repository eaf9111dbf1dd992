"""Recognizes ratings that are not numbers: stars, fractions, percentages, words. They are refused with a way out."""

import re
from collections.abc import Sequence
from typing import Final

from matinee.errors.text import shown
from matinee.schemas.delimiters import RARE_FIRST, pattern

_BEFORE: Final = rf"(?:^|{pattern(': ')})\"?"
_BEHIND: Final = rf"(?=\"?\s*(?:$|{pattern(' ')}))"
_FIELD: Final = rf"(?:(?!{pattern(': ')}).)+"
_NUMBER: Final = r"\d+(?:\.\d+)?"
# The first form that most ratings have is named, with the remedy.
_FORMS: Final = {
    r"[★☆⭐✩✪✫✬✭✮✯*]+️?[½¼¾]?": (
        "signs",
        "Count them, for example by df['rating'].str.count('★') in pandas",
    ),
    rf"{_NUMBER} ?/ ?\d+": ("fractions", "Write the number before the stroke alone, as 4 for 4/5"),
    rf"{_NUMBER} ?%": ("percentages", "Leave out the sign, for example by tr -d '%' < FILE"),
    rf"{_NUMBER} ?(?:stars?|points?|pts|out of \d+[a-z ]*)": (
        "numbers with a unit",
        "Write the numbers alone",
    ),
    r"\d* ?[½¼¾]": ("fractions", "Write them as decimal numbers, as 3.5 for 3½"),
    r"[^\W\x00-\x7f]+(?:[.,٫][^\W\x00-\x7f]+)?(?<=\d)": (
        "digits of another script",
        "Write the digits 0 to 9, for example by str(int(text)) in Python",
    ),
    rf"['‘’“”«»`]{_NUMBER}['‘’“”«»`]": (
        "in quotes that are not double quotes",
        "Replace these by double quotes, or leave them out",
    ),
    r"(?:nan|null|none|n/?a|<na>|\\n|inf|-?infinity|undefined)": (
        "words for no rating",
        "Leave these rows out, or allow them with ingest.max_reject_fraction",
    ),
}
_COMPILED: Final = {
    re.compile(f"{_BEFORE}({form}){_BEHIND}", re.IGNORECASE): said for form, said in _FORMS.items()
}
_TIME: Final = re.compile(rf"{_FIELD}{pattern(' ')}{_FIELD}{pattern(' ')}\d{{9,13}}(?:\.0)?\s*")
_WORD: Final = re.compile(r"[^\W\d_][^\W\d_ -]*(?: [^\W\d_]+){0,3}[+-]?")
_MOST_WORDS: Final = 20  # of a scale
_REPEATED: Final = 3  # rows of each word, on average
_FEWEST_COLUMNS: Final = 3


def explain_ratings(texts: Sequence[str]) -> str | None:
    """What the ratings of some rows are, and what to do, in two sentences.

    Args:
        texts: The rows, or their ratings alone.

    Returns:
        None if most of them are none of the known forms.

    >>> explain_ratings(["1,2,80%", "1,3,75%"])
    "Ratings such as '80%' are percentages. Leave out the sign, for example by tr -d '%' < FILE."
    """
    for form, (kind, remedy) in _COMPILED.items():
        found = [match[1] for text in texts if (match := form.search(text))]
        if found and 2 * len(found) >= len(texts):
            return f"Ratings such as '{shown(found[0])}' are {kind}. {remedy}."
    word = _find_word(texts)
    if word is None:
        return None
    return (
        f"Ratings such as '{shown(word)}' are words. Replace each word by a number, for example by "
        f"df['rating'].map({{'{shown(word)}': 4}}) in pandas; if the rows are plays, set ingest.feedback=implicit."
    )


def are_times(texts: Sequence[str]) -> bool:
    """Whether rows end with a number of seconds or milliseconds since 1970, and have no column behind it.

    >>> are_times(["7,8,1041379260"]), are_times(["7,8,3,1041379260"])
    (True, False)
    """
    return all(_TIME.fullmatch(text) for text in texts)


def _find_word(texts: Sequence[str]) -> str | None:
    """A word of a column that has few different words and nothing else."""
    if all(_WORD.fullmatch(text.strip()) for text in texts):
        return texts[0].strip()
    tables = [[text.split(delimiter) for text in texts] for delimiter in (*RARE_FIRST, " ")]
    for rows in sorted(tables, key=lambda rows: -len(rows[0])):  # a list within a field has its own delimiter
        width = len(rows[0])
        if width < _FEWEST_COLUMNS or any(len(row) != width for row in rows):
            continue
        for column in zip(*rows, strict=True):
            words: list[str] = [*dict.fromkeys(field.strip(' "\r') for field in column)]
            few = len(words) <= _MOST_WORDS and _REPEATED * len(words) <= len(texts)
            if few and all(map(_WORD.fullmatch, words)):
                return words[0]
    return None
