"""The settings `split`: which rows are used for training, for early stopping and for the test."""

from typing import Final, Literal

from pydantic import Field

from matinee.errors import ConfigError
from matinee.settings.ingest import Section

# The strategies that use a setting, where not all do.
_USED_BY: Final = {
    "test_fraction": ("stratified", "shuffle", "temporal"),
    "valid_fraction": ("stratified", "shuffle", "given", "temporal"),
    "last_n": ("last_n",),
    "seed": ("stratified", "shuffle", "given"),
}


class SplitSettings(Section):
    strategy: Literal["stratified", "shuffle", "given", "temporal", "last_n"] = Field(
        "stratified",
        description="How test and validation rows are chosen. stratified draws them by a hash, so that each row "
        "keeps its subset as data grows. shuffle is the random split of scikit-learn. given reads the test rows "
        "from --test. temporal takes the latest days, last_n the last ratings of each user.",
    )
    test_fraction: float = Field(
        0.10,
        gt=0,
        lt=1,
        description="Share of the rows that are held out as test rows; not used with split.strategy=given or last_n. "
        "No candidate is fitted on them until the gate has decided. With train.refit=all, the refit after the "
        "gate uses them too.",
    )
    valid_fraction: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="Share of the remaining rows that are held out for early stopping; not used with "
        "split.strategy=last_n.",
    )
    last_n: int = Field(
        1,
        ge=1,
        le=1000,
        description="Number of test rows per user with split.strategy=last_n. The same number of ratings before them "
        "become validation rows.",
    )
    seed: int = Field(42, ge=0, lt=2**32, description="Random seed of the split.")

    @property
    def ignored(self) -> list[str]:
        """The settings that have no effect with the strategy."""
        return [name for name, users in _USED_BY.items() if self.strategy not in users]

    def is_same(self, other: "SplitSettings") -> bool:
        """Whether two splits of the same rows are equal: settings that the strategy ignores may differ."""
        without = set(self.ignored)
        return self.model_dump(exclude=without) == other.model_dump(exclude=without)

    def check(self) -> None:
        """Raise ConfigError if the strategy ignores a setting; one at its default counts as not chosen."""
        by_test = " (set by --test)" if self.strategy == "given" else ""
        faults = [
            f"Setting split.{name} has no effect with split.strategy={self.strategy}{by_test}; it applies to "
            f"{', '.join(_USED_BY[name])}. Leave it out."
            for name in self.ignored
            if getattr(self, name) != SplitSettings.model_fields[name].default
        ]
        if faults:
            raise ConfigError(" ".join(faults))
