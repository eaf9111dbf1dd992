"""One task a step: its policy in the decorator, one call of the library in the body."""
