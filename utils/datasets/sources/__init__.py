"""Where data sets come from: one loader a file."""
