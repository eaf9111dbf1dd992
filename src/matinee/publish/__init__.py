"""Publishing: checks the gate's decision once more, and writes the folder that becomes a release."""

from matinee.publish.step import Publication, find_publication, publish, publish_held

__all__ = ["Publication", "find_publication", "publish", "publish_held"]
