"""The folder in which new rating files arrive: what is there, and what is taken in."""
