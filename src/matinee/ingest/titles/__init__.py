"""The titles file: recognizing its layout, and reading it into the titles table."""
