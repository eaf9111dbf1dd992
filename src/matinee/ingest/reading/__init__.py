"""From bytes to parsed rows: finding and opening source files, recognizing their dialect, and the compiled parser."""
