"""One pandera model per table: the only definition of its columns, types and bounds."""
