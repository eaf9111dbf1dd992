"""The store: folders named by digests, each whole or absent; its files, locks and checksums."""

from matinee.store.store import Plan, Reference, Store

__all__ = ["Plan", "Reference", "Store"]
