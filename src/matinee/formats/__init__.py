"""The JSON files of the store's folders, field by field: what each step writes and the next ones read."""
