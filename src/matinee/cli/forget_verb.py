"""The verb `forget`."""

import argparse
import logging
from dataclasses import asdict

from matinee.cli.outcome import Outcome
from matinee.registry import Registry

log = logging.getLogger(__name__)


def forget(call: argparse.Namespace) -> Outcome:
    """Erase a user from the store, and keep the user out."""
    from matinee.maintenance.forget import forget as library
    from matinee.release.idmap import parse_id
    from matinee.store.erased_users import Forgotten
    from matinee.store.row_kinds import kinds_of

    Registry.open(call.store)  # a store that can't be read is an error before its kinds are looked up
    held = kinds_of(call.store)
    is_text = not call.user.isdecimal() if held is None else held["user_id"] == "text"
    user = parse_id(call.user, "user", is_text=is_text)
    before = Forgotten.read(call.store).hashes
    done = library(call.store, user)
    places = f"{', '.join(done.releases) or 'no release'} and {done.folders:,} other folders"
    if done.found:
        text = f"the user was erased from {places}; future runs skip the user's rows"
        return Outcome(asdict(done), text, notable=())
    if Forgotten.read(call.store).hashes == before:
        return Outcome(asdict(done), "the user was forgotten before, and is not in the store", notable=())
    case = " (upper and lower case and leading zeros count)" if is_text else ""
    log.warning("No row of the store has the user %s. Check the id%s.", call.user, case)
    return Outcome(
        asdict(done),
        "nothing was erased; future runs skip rows of this id. To undo that, put back the store's forgotten.json from "
        "a backup; if no other user was ever forgotten, remove the file",
        notable=(),
    )
