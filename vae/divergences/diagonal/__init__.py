"""Divergences of two diagonal Gaussians, and of mixtures of them, in closed form.

Every function takes `mean, logvar` of shape (..., latent_dim), the posterior q = N(mean, diag exp logvar), and
`prior_mean, prior_logvar` that broadcast against them (default N(0, I)), those of `cauchy_schwarz` the components of
mixtures. It returns the divergence over all latent dimensions, of shape (...), in nats unless it says otherwise. The
formulas in the docstrings are for p = N(0, I), with s^2 = exp logvar; all but the Wasserstein distance are unchanged
by the map that takes p there. The computation is exact and never negative near q = p, in value and gradient, and
finite in float32 for logvar and prior_logvar in [-30, 30] unless a function says where it is not. All raise
ValueError where shapes do not broadcast.
"""
