"""Models fitted by gradients with torch."""
