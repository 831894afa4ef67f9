"""Of Gaussians with full covariance, from inverses and determinants."""

from functools import wraps

from mpmath import mp, mpf

from tests.golden.definitions.diagonal import skewed


def kl(q, p):
    (m1, s1), (m2, s2) = q, p
    difference = mp.matrix(m1) - mp.matrix(m2)
    inverse = s2**-1
    trace = sum((inverse * s1)[i, i] for i in range(len(m1)))
    mahalanobis = (difference.T * inverse * difference)[0]
    return (trace - len(m1) + mahalanobis + mp.log(mp.det(s2) / mp.det(s1))) / 2


def gaussians(mean, covariance, prior_mean=None, prior_covariance=None):
    n = len(mean)
    prior = mp.eye(n) if prior_covariance is None else mp.matrix(prior_covariance)
    return (mean, mp.matrix(covariance)), (prior_mean or [mpf(0)] * n, prior)


def kl_divergence(**arguments):
    return kl(*gaussians(**arguments))


def reverse_kl_divergence(**arguments):
    q, p = gaussians(**arguments)
    return kl(p, q)


def jeffreys_divergence(**arguments):
    q, p = gaussians(**arguments)
    return kl(q, p) + kl(p, q)


def normalised_geometric_mean(q, p, b):
    (m1, s1), (m2, s2) = q, p
    covariance = ((1 - b) * s1**-1 + b * s2**-1) ** -1
    mean = covariance * ((1 - b) * (s1**-1 * mp.matrix(m1)) + b * (s2**-1 * mp.matrix(m2)))
    return list(mean), covariance


def geometric_js_divergence(alpha, dual, skew, **arguments):
    q, p = gaussians(**arguments)
    between = normalised_geometric_mean(q, p, skewed(alpha, skew))
    if dual:
        return (1 - alpha) * kl(between, q) + alpha * kl(between, p)
    return (1 - alpha) * kl(q, between) + alpha * kl(p, between)


def log_integral_of_powers(q, p, a):
    """log int q^a p^(1-a) dz, from the exponents of the two Gaussians."""
    (m1, s1), (m2, s2) = q, p
    precision = a * s1**-1 + (1 - a) * s2**-1
    m1, m2 = mp.matrix(m1), mp.matrix(m2)
    linear = a * (s1**-1 * m1) + (1 - a) * (s2**-1 * m2)
    constant = a * (m1.T * s1**-1 * m1)[0] + (1 - a) * (m2.T * s2**-1 * m2)[0]
    exponent = constant - (linear.T * precision**-1 * linear)[0]
    return -(exponent + a * mp.log(mp.det(s1)) + (1 - a) * mp.log(mp.det(s2)) + mp.log(mp.det(precision))) / 2


def extended_geometric_js_divergence(alpha, dual, skew, **arguments):
    q, p = gaussians(**arguments)
    b = skewed(alpha, skew)
    mass = mp.exp(log_integral_of_powers(q, p, 1 - b))
    if not dual:
        return (1 - alpha) * b * kl(q, p) + alpha * (1 - b) * kl(p, q) + mass - 1
    between = normalised_geometric_mean(q, p, b)
    to_q, to_p = (mass * (kl(between, end) + mp.log(mass)) + 1 - mass for end in (q, p))
    return (1 - alpha) * to_q + alpha * to_p


def cauchy_schwarz_divergence(**arguments):
    (m1, s1), (m2, s2) = gaussians(**arguments)
    difference = mp.matrix(m1) - mp.matrix(m2)
    mahalanobis = (difference.T * (s1 + s2) ** -1 * difference)[0]
    log_det = mp.log(mp.det(s1 + s2)) / 2 - mp.log(mp.det(s1) * mp.det(s2)) / 4
    return mahalanobis / 2 + log_det - len(m1) * mp.log(2) / 2


def squared_wasserstein_distance(**arguments):
    """In one and two dimensions, where tr sqrt(A) of the product A of the covariances is sqrt(tr A + 2 sqrt det A)."""
    (m1, s1), (m2, s2) = gaussians(**arguments)
    product = s1 * s2
    n = len(m1)
    trace = sum(product[i, i] for i in range(n))
    root = mp.sqrt(trace) if n == 1 else mp.sqrt(trace + 2 * mp.sqrt(mp.det(product)))
    squares = sum((a - b) ** 2 for a, b in zip(m1, m2, strict=True))
    return squares + sum(s1[i, i] + s2[i, i] for i in range(n)) - 2 * root


def of_factors(function):
    """The same divergence as a function of Cholesky factors."""

    @wraps(function)
    def divergence(mean, scale_tril, prior_mean=None, prior_scale_tril=None, **options):
        covariances = [None if x is None else mp.matrix(x) * mp.matrix(x).T for x in (scale_tril, prior_scale_tril)]
        covariance, prior = (None if x is None else x.tolist() for x in covariances)
        return function(mean=mean, covariance=covariance, prior_mean=prior_mean, prior_covariance=prior, **options)

    return divergence
