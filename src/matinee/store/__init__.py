"""The store: folders named by digests, each whole or absent, and the files, locks and checksums they are made of."""

from matinee.store.store import Plan, Reference, Store

__all__ = ["Plan", "Reference", "Store"]
