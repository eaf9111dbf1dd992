"""One task per step: its policy in the decorator, one library call in the body."""
