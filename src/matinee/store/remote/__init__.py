"""A store in an object store: the store on this host is its cache."""

from matinee.store.remote.address import MARK, caches, local_store, names_remote
from matinee.store.remote.remote import Remote, address_of, pull_file, push_file, remote_of, will_push
from matinee.store.remote.stored import DamagedFolderError

__all__ = [
    "MARK",
    "DamagedFolderError",
    "Remote",
    "address_of",
    "caches",
    "local_store",
    "names_remote",
    "pull_file",
    "push_file",
    "remote_of",
    "will_push",
]
