"""How well single latent dimensions stand for single factors: one file a score."""
