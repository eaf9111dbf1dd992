"""The releases of a store: the champion, and the log of every change."""

from matinee.registry.log import Entry, Hold
from matinee.registry.registry import CHAMPION, Registry, now

__all__ = ["CHAMPION", "Entry", "Hold", "Registry", "now"]
