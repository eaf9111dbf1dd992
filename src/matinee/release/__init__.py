"""A published release: loading, checks, predictions and lists. Needs only numpy, pyarrow, pydantic and safetensors."""

from matinee.release.answers import Release
from matinee.release.manifest import SCHEMA_VERSION, read_manifest
from matinee.release.release import TESTED, WEIGHTS, inspect, load, sha256, verify

__all__ = [
    "SCHEMA_VERSION",
    "TESTED",
    "WEIGHTS",
    "Release",
    "inspect",
    "load",
    "read_manifest",
    "sha256",
    "verify",
]
