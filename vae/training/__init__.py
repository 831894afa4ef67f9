"""Training: the loop, and many runs trained as one."""
