"""A fit on several processes, the ranks: users are divided among them, and groups of movies travel round a ring."""
