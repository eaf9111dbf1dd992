"""One pandera model a table: the only place where a column, its type and its bounds are written."""
