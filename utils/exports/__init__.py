"""What a saved model makes, as arrays for other programs."""

KINDS = ("latents", "samples", "reconstructions")  # of `--export`
