"""Upkeep of a store: pruning, forgetting a user, and a check of the whole installation."""
