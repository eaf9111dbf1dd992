"""Publishing: checks the gate's decision once more, and writes the folder that becomes a release."""

from matinee.publish.step import Publication, publish, publish_held

__all__ = ["Publication", "publish", "publish_held"]
