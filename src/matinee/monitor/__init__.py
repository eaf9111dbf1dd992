"""Quality over time: the error of each champion on ratings newer than itself."""
