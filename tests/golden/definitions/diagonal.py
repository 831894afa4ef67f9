"""Of diagonal Gaussians and of mixtures of them: densities and the KL divergence from their textbook formulas.

A Gaussian is a pair of a mean and a variance for every dimension.
"""

from mpmath import mp, mpf


def kl(q, p):
    """KL(q||p) of diagonal Gaussians."""
    (m1, v1), (m2, v2) = q, p
    terms = (v / w + (m - k) ** 2 / w - 1 + mp.log(w / v) for m, v, k, w in zip(m1, v1, m2, v2, strict=True))
    return sum(terms) / 2


def normalised_geometric_mean(q, p, b):
    (m1, v1), (m2, v2) = q, p
    variances = [1 / ((1 - b) / v + b / w) for v, w in zip(v1, v2, strict=True)]
    parts = zip(m1, v1, m2, v2, variances, strict=True)
    return [s * ((1 - b) * m / v + b * k / w) for m, v, k, w, s in parts], variances


def log_integral_of_powers(q, p, a):
    """log int q^a p^(1-a) dz."""
    total = mpf(0)
    for m, v, k, w in zip(*q, *p, strict=True):
        precision = a / v + (1 - a) / w
        assert precision > 0, "the integral is infinite"
        exponent = a * m**2 / v + (1 - a) * k**2 / w - (a * m / v + (1 - a) * k / w) ** 2 / precision
        total -= (exponent + a * mp.log(v) + (1 - a) * mp.log(w) + mp.log(precision)) / 2
    return total


def gaussians(mean, logvar, prior_mean=None, prior_logvar=None):
    zeros = [mpf(0)] * len(mean)
    prior = (prior_mean or zeros, [mp.exp(x) for x in prior_logvar or zeros])
    return (mean, [mp.exp(x) for x in logvar]), prior


def skewed(alpha, skew):
    return 1 - alpha if skew == "paper" else alpha


# The divergences of diagonal Gaussians by the names of the package


def kl_divergence(**arguments):
    q, p = gaussians(**arguments)
    return kl(q, p)


def reverse_kl_divergence(**arguments):
    q, p = gaussians(**arguments)
    return kl(p, q)


def jeffreys_divergence(**arguments):
    q, p = gaussians(**arguments)
    return kl(q, p) + kl(p, q)


def geometric_js_divergence(alpha, dual, skew, **arguments):
    q, p = gaussians(**arguments)
    between = normalised_geometric_mean(q, p, skewed(alpha, skew))
    if dual:
        return (1 - alpha) * kl(between, q) + alpha * kl(between, p)
    return (1 - alpha) * kl(q, between) + alpha * kl(p, between)


def extended_geometric_js_divergence(alpha, dual, skew, **arguments):
    """From int f log(f/g) + g - f, with G = q^(1-b) p^b, which is not normalised."""
    q, p = gaussians(**arguments)
    b = skewed(alpha, skew)
    mass = mp.exp(log_integral_of_powers(q, p, 1 - b))
    if not dual:
        return (1 - alpha) * b * kl(q, p) + alpha * (1 - b) * kl(p, q) + mass - 1
    between = normalised_geometric_mean(q, p, b)
    to_q, to_p = (mass * (kl(between, end) + mp.log(mass)) + 1 - mass for end in (q, p))
    return (1 - alpha) * to_q + alpha * to_p


def bhattacharyya_divergence(alpha, **arguments):
    return -log_integral_of_powers(*gaussians(**arguments), 1 - alpha)


def squared_hellinger_distance(**arguments):
    return 1 - mp.exp(log_integral_of_powers(*gaussians(**arguments), mpf(1) / 2))


def renyi_divergence(order, **arguments):
    q, p = gaussians(**arguments)
    return kl(q, p) if order == 1 else log_integral_of_powers(q, p, order) / (order - 1)


def chi_squared_divergence(**arguments):
    return mp.exp(log_integral_of_powers(*gaussians(**arguments), mpf(2))) - 1


def squared_wasserstein_distance(**arguments):
    (m1, v1), (m2, v2) = gaussians(**arguments)
    pairs = zip(m1, v1, m2, v2, strict=True)
    return sum((m - k) ** 2 + (mp.sqrt(v) - mp.sqrt(w)) ** 2 for m, v, k, w in pairs)


def overlap(first, second):
    """int f g of two diagonal Gaussians."""
    (m1, v1), (m2, v2) = first, second
    return mp.fprod(
        mp.exp(-((m - k) ** 2) / (2 * (v + w))) / mp.sqrt(2 * mp.pi * (v + w))
        for m, v, k, w in zip(m1, v1, m2, v2, strict=True)
    )


def mixture(mean, logvar, logweight):
    weights = [mp.exp(x) for x in logweight]
    components = [(m, [mp.exp(x) for x in v]) for m, v in zip(mean, logvar, strict=True)]
    return [(w / sum(weights), component) for w, component in zip(weights, components, strict=True)]


def mixture_overlap(first, second):
    return sum(a * b * overlap(f, g) for a, f in first for b, g in second)


def cauchy_schwarz(q, p):
    return -mp.log(mixture_overlap(q, p)) + mp.log(mixture_overlap(q, q)) / 2 + mp.log(mixture_overlap(p, p)) / 2


def cauchy_schwarz_divergence(mean, logvar, component_mean, component_logvar, component_logweight):
    p = mixture(component_mean, component_logvar, component_logweight)
    return cauchy_schwarz(mixture([mean], [logvar], [mpf(0)]), p)


def mixture_cauchy_schwarz_divergence(mean1, logvar1, logweight1, mean2, logvar2, logweight2):
    return cauchy_schwarz(mixture(mean1, logvar1, logweight1), mixture(mean2, logvar2, logweight2))
