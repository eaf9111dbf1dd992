"""Encoding ids as dense codes, and dealing the rows into train, valid and test."""

from matinee.split.step import Inherited, plan

__all__ = ["Inherited", "plan"]
