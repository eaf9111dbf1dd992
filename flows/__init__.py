"""Prefect flows: which tasks run, and in which order."""
