"""Encodes ids as dense codes, and splits the rows into train, valid and test."""

from matinee.split.step import Inherited, plan

__all__ = ["Inherited", "plan"]
