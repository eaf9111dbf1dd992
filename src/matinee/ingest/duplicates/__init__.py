"""Repeated ratings of one movie by one user: which row is kept, and the table of the rows that it supersedes."""
