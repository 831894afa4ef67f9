"""What runs have left, read back to be compared: groups of them, what they are called, the paper's numbers beside."""
