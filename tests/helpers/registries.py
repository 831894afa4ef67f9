"""Which entries of a registry are the project's own, and entries that last for a test."""

# Of a size that costs little: the options of networks in tests that are not about their sizes.
SMALL_NETWORKS = {"mlp": {"hidden_units": 5}, "resnet": {"width": 4}}

# Of these a row in the docs is asked. Files of one's own beside theirs are private, and tested as they are.
OUR_DATASETS = "mnist fashion dsprites digits bmnist cifar10 chairs celeba mixture2d folder:PATH npz:PATH".split()
OUR_LOSSES = (
    "AE KL rKL betaH Jeffreys GJS dGJS tGJS tdGJS eGJS JS Renyi Bhattacharyya Hellinger chi2 W2 SW MMD energy InfoVAE "
    "WAE DIP IWAE VR CS CatVAE InfoCatVAE betaB factor btcvae"
).split()
OUR_PRIORS = "standard mixture vamp".split()


def set_free(monkeypatch, registry, name):
    """Let a test register this name, also where someone's own file has it; all is as before when the test is over."""
    for table in (registry, registry.places):
        monkeypatch.setitem(table, name, None)
        del table[name]
