"""Quality over time: champions on ratings that came after them."""
