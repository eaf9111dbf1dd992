"""Publishing: the last look at the gate, and the folder that becomes a release."""

from matinee.publish.step import Publication, publish, publish_held

__all__ = ["Publication", "publish", "publish_held"]
