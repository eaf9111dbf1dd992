"""tuned.json: the settings that nightly runs use, once the gate has passed a release with them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from matinee.registry import now
from matinee.settings import Settings
from matinee.settings.ingest import LIMITS
from matinee.settings.space import SearchedValue, with_values
from matinee.store import Store
from matinee.store.digests import digest_of
from matinee.store.disk_errors import writing
from matinee.store.documents import TUNED, Tuned, read_as
from matinee.store.files import write_json
from matinee.store.remote import push_file, will_push

_DAY_SECONDS = 86_400


@dataclass(frozen=True)
class TunedSettings:
    """The settings of a deployment, with those that an earlier search has found.

    Attributes:
        store: The store.
        base: The settings of the deployment. If they change, what was found for others has no effect.
    """

    store: Store
    base: Settings

    @property
    def settings(self) -> Settings:
        """The settings to use."""
        found = self._found()
        return self.base if found is None else with_values(self.base, found.settings)

    def is_due(self, *, days: float) -> bool:
        """Whether the last search for these settings is as many days ago; also if there was none."""
        found = self._found()
        if found is None:
            return True
        age = datetime.now(UTC) - datetime.fromisoformat(found.at).astimezone(UTC)
        return not 0 <= age.total_seconds() < days * _DAY_SECONDS  # a time in the future is wrong

    def keep(self, values: Mapping[str, SearchedValue], *, study: str) -> None:
        """Record a search, and settings to use from now on, besides those that are used already."""
        found = self._found()
        settings = {**(found.settings if found else {}), **values}
        with writing(self.store.root):
            will_push(self.store.root, TUNED)
            write_json(
                self.store.root / TUNED, Tuned(at=now(), base=self._digest(), settings=settings, study=study)
            )
            push_file(self.store.root, TUNED)

    def _found(self) -> Tuned | None:
        """The file, if it is about these settings. Raises StoreError if it is damaged."""
        path = self.store.root / TUNED
        if not path.exists():
            return None
        found = read_as(path, Tuned)
        return found if found.base == self._digest() else None

    def _digest(self) -> str:
        return digest_of(
            settings=self.base.spelled_out().model_dump(mode="json", exclude={"ingest": set(LIMITS)})
        )
