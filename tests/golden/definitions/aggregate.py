"""Of the aggregate posterior: expectations of kernels and distances over Z = N(difference, diag variance); moments."""

from functools import lru_cache, partial

from mpmath import mp, mpf


def expected_gaussian_kernel(difference, variance, scale):
    return mp.fprod(
        mp.exp(-(d**2) / (scale + 2 * v)) / mp.sqrt(1 + 2 * v / scale)
        for d, v in zip(difference, variance, strict=True)
    )


def expected_imq_kernel(difference, variance):
    """sum over C of E C / (C + ||Z||^2), where there is a variance as a mixture of Gaussian kernels."""
    if not any(variance):
        square = sum(d**2 for d in difference)
        return sum(constant / (constant + square) for constant in imq_constants(len(difference)))
    grid = imq_grid(len(difference))
    return sum(weight * expected_gaussian_kernel(difference, variance, scale) for scale, weight in grid)


def imq_constants(n):
    return [2 * n * mpf(s) / 10 for s in (1, 2, 5, 10, 20, 50, 100)]


@lru_cache
def imq_grid(n):
    """Scales 1/u and weights of int f(u) sum C e^(-C u) du over u > 0."""
    constants = imq_constants(n)
    return [(1 / u, step * u * sum(c * mp.exp(-c * u) for c in constants)) for u, step in log_grid(-95, 8)]


def expected_distance(difference, variance):
    """E||Z|| in closed form in one dimension and for no variance or an isotropic one, else by quadrature."""
    if len(difference) == 1 and variance[0] > 0:
        (d,), (v,) = difference, variance
        return mp.sqrt(2 * v / mp.pi) * mp.exp(-(d**2) / (2 * v)) + d * mp.erf(d / mp.sqrt(2 * v))
    square = sum(d**2 for d in difference)
    if all(v == 0 for v in variance):
        return mp.sqrt(square)
    half = mpf(len(difference)) / 2
    if all(v == variance[0] for v in variance):
        length = mp.sqrt(2 * variance[0]) * mp.gamma(half + mpf(1) / 2) / mp.gamma(half)
        return length * mp.hyp1f1(-mpf(1) / 2, half, -square / (2 * variance[0]))
    grid = ((u, weight / u) for u, weight in log_grid(-95, 95))
    total = sum(weight * (1 - expected_gaussian_kernel(difference, variance, 1 / u**2)) for u, weight in grid)
    return total / mp.sqrt(mp.pi)


@lru_cache
def log_grid(low, high):
    """Nodes and weights of the trapezoidal rule in log u."""
    step = mpf(1) / 16
    return [(mp.exp(step * i), step) for i in range(low * 16, high * 16)]


def discrepancy(expectation, z_or_means, variances, sign, keep_diagonal):
    """sign (E k(q, q') + E k(p, p') - 2 E k(q, p)) of an equal mixture of Gaussians, or of samples with variance 0."""
    count, n = len(z_or_means), len(z_or_means[0])
    within = mpf(0)
    for i in range(count):
        for j in range(count):
            if i != j or keep_diagonal:
                difference = [a - b for a, b in zip(z_or_means[i], z_or_means[j], strict=True)]
                total = [a + b for a, b in zip(variances[i], variances[j], strict=True)]
                within += expectation(difference, total)
    within /= count**2 if keep_diagonal else count * (count - 1)
    across = sum(expectation(m, [1 + x for x in v]) for m, v in zip(z_or_means, variances, strict=True)) / count
    return sign * (within + prior_term(expectation, n) - 2 * across)


@lru_cache
def prior_term(expectation, n):
    return expectation([mpf(0)] * n, [mpf(2)] * n)


@lru_cache
def gaussian_kernel_of(scale):
    return partial(expected_gaussian_kernel, scale=scale)


def variances_of(logvar):
    return [[mp.exp(x) for x in row] for row in logvar]


def no_variances(z):
    return [[mpf(0)] * len(z[0])] * len(z)


def gaussian_mmd(mean, logvar, scale):
    return discrepancy(gaussian_kernel_of(scale), [mean], variances_of([logvar]), 1, True)


def aggregate_mmd(mean, logvar, scale):
    return discrepancy(gaussian_kernel_of(scale), mean, variances_of(logvar), 1, True)


def maximum_mean_discrepancy(z, scale, unbiased):
    return discrepancy(gaussian_kernel_of(scale), z, no_variances(z), 1, not unbiased)


def gaussian_imq_mmd(mean, logvar):
    return discrepancy(expected_imq_kernel, [mean], variances_of([logvar]), 1, True)


def imq_mmd(z, unbiased):
    return discrepancy(expected_imq_kernel, z, no_variances(z), 1, not unbiased)


def gaussian_energy_distance(mean, logvar):
    return discrepancy(expected_distance, [mean], variances_of([logvar]), -1, True)


def energy_distance(z, unbiased):
    return discrepancy(expected_distance, z, no_variances(z), -1, not unbiased)


def squared_sliced_wasserstein_distance(z, directions):
    """Over each direction, W_2^2 of an empirical distribution and N(0, 1) as an integral over quantiles."""
    total, count = mpf(0), len(z)
    edges = [mp.sqrt(2) * mp.erfinv(2 * mpf(i) / count - 1) for i in range(1, count)]
    density = [mpf(0), *(mp.npdf(x) for x in edges), mpf(0)]
    for direction in directions:
        length = mp.sqrt(sum(x**2 for x in direction))
        line = sorted(sum(a * b for a, b in zip(row, direction, strict=True)) / length for row in z)
        products = (x * (a - b) for x, a, b in zip(line, density, density[1:], strict=False))
        total += sum(x**2 for x in line) / count - 2 * sum(products) + 1
    return total / len(directions)


def dip_covariance(mean, logvar=None):
    count, n = len(mean), len(mean[0])
    centre = [sum(row[i] for row in mean) / count for i in range(n)]

    def entry(i, j):
        within = sum(mp.exp(row[i]) for row in logvar) / count if logvar and i == j else mpf(0)
        return within + sum((row[i] - centre[i]) * (row[j] - centre[j]) for row in mean) / count

    return {(i, j): entry(i, j) for i in range(n) for j in range(n)}


def dip_off_diagonal(**arguments):
    return sum(x**2 for (i, j), x in dip_covariance(**arguments).items() if i != j)


def dip_diagonal(**arguments):
    return sum((x - 1) ** 2 for (i, j), x in dip_covariance(**arguments).items() if i == j)
