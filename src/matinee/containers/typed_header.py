"""The header of RecBole's atomic files (`.inter`, `.item`) names a type with each column: `user_id:token`."""

import re
from codecs import BOM_UTF8
from dataclasses import replace
from typing import Final

from matinee.containers.member import Member

_TYPED: Final = re.compile(rb"[^:,;\t]+:(?:token|float)(?:_seq)?")


def without_types(member: Member) -> Member:
    """The text with plain names in its header, if it is such a file."""
    line, found, rest = member.head.partition(b"\n")
    names = line.rstrip(b"\r").split(b"\t")
    if not found or not all(_TYPED.fullmatch(name.removeprefix(BOM_UTF8)) for name in names):
        return member
    plain = b"\t".join(name.rpartition(b":")[0] for name in names)
    return replace(member, head=plain + b"\n" + rest)
