"""Checks of rows and data sets: schema validation, when a data set is refused, and warnings about one that is not."""
