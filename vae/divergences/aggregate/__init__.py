"""Discrepancies between the aggregate posterior q(z) = E_x q(z|x) and the prior p = N(0, I).

Samples z have shape (..., N, latent_dim), one row per draw from q(z), and the result has shape (...). Where there is a
population form, without any sampling, it stands beside that of samples. None has units of information, and none is
unchanged by all affine maps: each says its units and what leaves it unchanged.
"""
