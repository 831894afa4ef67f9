"""Files of data sets: downloads, caches and pictures."""
