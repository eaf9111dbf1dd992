"""Containers: packed or encoded tables become streams of UTF-8 text, in bounded memory.

`unpack` opens compressed files, archives, Parquet, Arrow and JSON lines, one within another, and text in any encoding.
Readers of ratings, titles and pairs get only text.
"""

from matinee.containers.faults import FAULTS, CorruptError, name_faults
from matinee.containers.limits import Meter
from matinee.containers.member import HEAD_BYTES, Member
from matinee.containers.unpack import unpack

__all__ = ["FAULTS", "HEAD_BYTES", "CorruptError", "Member", "Meter", "name_faults", "unpack"]
