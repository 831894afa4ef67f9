"""Priors p(z), one file a family."""
