"""Partitions: the validated rows of one source file, or of several small files, in a folder named by their content."""
