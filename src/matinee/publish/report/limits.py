"""What a reader of a release's figures must know: the card and the report say the same."""

from typing import Final

_FORGOTTEN: Final = (
    "Users erased later by `matinee forget` are removed from the files, but are still included in these figures; "
    "`forgotten` in `manifest.json` counts them."
)
LIMITS: Final = (
    "Figures on randomly drawn test rows are optimistic, because the model was trained on later ratings too. Expect a "
    "higher error on future ratings.",
    "The error is measured on movies that people chose to rate, not on random movies.",
    "A user or a movie without a rating in the training rows gets the mean plus the known bias, if there is one; such "
    "a movie may have an estimate from its title and year.",
    _FORGOTTEN,
)
PLAY_LIMITS: Final = (
    "Figures on randomly drawn test rows are optimistic, because the model was trained on later plays too. Expect "
    "lower figures on future plays.",
    "A play does not say that the movie was liked, and a movie that was not played may be just as good.",
    "A user without a play in the training rows gets popular movies.",
    _FORGOTTEN,
)
