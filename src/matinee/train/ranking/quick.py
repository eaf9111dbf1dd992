"""A quick fit of a ranking model, to compare lists with one another."""

from typing import Final

from matinee.settings.ranking import RankSettings

# It takes a half to a quarter of the time of the default settings, and its lists are about as good (docs/notes.md).
QUICK: Final = RankSettings(rank=64, iterations=5)
