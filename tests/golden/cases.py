"""The cases: which function, with which arguments. At least twenty for each, extreme variances among them.

Arguments are float32 numbers, so that one case serves both precisions. A function of several results has the number of
the one that is meant behind its name.
"""

import random
import struct

from mpmath import mp, mpf

from tests.golden.definitions import aggregate, diagonal, full
from tests.golden.definitions.arithmetic import ArithmeticJS


def single(x):
    """The float32 number next to x."""
    return struct.unpack("f", struct.pack("f", x))[0]


def vectors(generator, n, *sizes):
    return [[single(size * generator.gauss(0, 1)) for _ in range(n)] for size in sizes]


def diagonal_pairs():
    """Pairs of Gaussians: at, near and far from the prior, in one to three dimensions, with extreme variances."""
    generator = random.Random(1)
    points = ((0.0, 0.0), (0.0, 30.0), (0.0, -30.0), (1.0, -20.0), (50.0, 2.0))
    cases = [{"mean": [mean], "logvar": [logvar]} for mean, logvar in points]
    for size in (1e-6, 1e-3, 0.1, 1.0, 3.0):
        cases.append(dict(zip(("mean", "logvar"), vectors(generator, 2, size, size), strict=True)))
    cases.append({"mean": [0.5, -2.0, 1e-3], "logvar": [-30.0, 30.0, 1e-3]})
    cases.append({"mean": [50.0, 0.0, -0.25], "logvar": [-10.0, 10.0, 0.0]})
    for n, size in ((1, 1.0), (2, 1.0), (3, 1.0), (2, 0.01), (2, 4.0)):
        q, p = vectors(generator, n, size, size), vectors(generator, n, 1.0, 1.0)
        if size < 0.1:
            q = [[single(a + b) for a, b in zip(x, y, strict=True)] for x, y in zip(q, p, strict=True)]
        cases.append(dict(zip(("mean", "logvar", "prior_mean", "prior_logvar"), (*q, *p), strict=True)))
    for own, prior in ((-30.0, 30.0), (30.0, -30.0), (-25.0, 20.0), (-30.0, -30.0), (30.0, 30.0)):
        cases.append({"mean": [0.5], "logvar": [own], "prior_mean": [-0.5], "prior_logvar": [prior]})
    return [{name: list(map(single, x)) for name, x in case.items()} for case in cases]


def inside(case, order):
    """Whether the Renyi divergence of an order above 1 is finite, by a margin."""
    prior = case.get("prior_logvar", [0.0] * len(case["logvar"]))
    limit = float(mp.log(mpf(order) / (mpf(order) - 1))) if order > 1 else float("inf")
    return all(own - k < limit - 0.05 for own, k in zip(case["logvar"], prior, strict=True))


ALPHAS = (0.0, 0.3, 1.0, 0.5, single(1e-6), 0.75, 0.1, 1 - 2.0**-20)
ORDERS = (0.25, 2.0, 0.5, 1.0, 1.5, 0.0, 0.875, 5.0, 1 + 2.0**-20)
FORMS = [{"dual": dual, "skew": skew} for skew in ("paper", "nielsen") for dual in (False, True)]


def matrix_pairs(n_max, factors):
    """Pairs of Gaussians with full covariance, as covariances or as their Cholesky factors."""
    generator = random.Random(2)
    name, prior_name = ("scale_tril", "prior_scale_tril") if factors else ("covariance", "prior_covariance")

    def factor(n, size, spread):
        diagonal = [single(mp.exp(spread * generator.gauss(0, 1))) for _ in range(n)]
        rows = [[diagonal[i] if i == j else size * generator.gauss(0, 1) * (j < i) for j in range(n)] for i in range(n)]
        return [list(map(single, row)) for row in rows]

    def matrix(n, size, spread):
        lower = factor(n, size, spread)
        if factors:
            return lower
        product = [[sum(a * b for a, b in zip(x, y, strict=True)) for y in lower] for x in lower]
        return [list(map(single, row)) for row in product]

    cases = []
    for n in [i % n_max + 1 for i in range(16)]:
        size, spread = generator.choice(((1.0, 0.5), (0.3, 1.0), (0.01, 0.01), (2.0, 1.0)))
        case = {"mean": vectors(generator, n, 1.0)[0], name: matrix(n, size, spread)}
        if len(cases) % 2:
            case |= {"prior_mean": vectors(generator, n, 1.0)[0], prior_name: matrix(n, 0.5, 0.5)}
        cases.append(case)
    for n in (1, 2, 2):  # q = p, and eigenvalues that coincide
        unit = [[float(i == j) for j in range(n)] for i in range(n)]
        cases.append({"mean": [0.0] * n if n == 1 else [0.5] * n, name: unit})
    for spread in (4.0, 6.0):
        cases.append({"mean": vectors(generator, 2, 1.0)[0], name: matrix(2, 0.5, spread)})
    cases.append({"mean": [1e-4, 0.0], name: [[1.0, 0.0], [single(1e-4), single(1.0001)]]} if factors else cases[0])
    return cases


def batches(sizes, names, count=20):
    generator = random.Random(3)
    for i in range(count):
        rows, n = sizes[i % len(sizes)]
        size = (1.0, 0.1, 3.0, 1e-3)[i % 4]
        yield {name: [vectors(generator, n, size)[0] for _ in range(rows)] for name in names}


def all_cases():
    """(function of the package, definition, arguments) of every case."""
    pairs = diagonal_pairs()
    for definition in (
        diagonal.kl_divergence,
        diagonal.reverse_kl_divergence,
        diagonal.jeffreys_divergence,
        diagonal.squared_hellinger_distance,
        diagonal.squared_wasserstein_distance,
    ):
        yield from ((definition.__name__, definition, case) for case in pairs)
    for i, case in enumerate(pairs):
        alpha = {"alpha": ALPHAS[i % len(ALPHAS)]}
        yield "bhattacharyya_divergence", diagonal.bhattacharyya_divergence, case | alpha
        for definition in (diagonal.geometric_js_divergence, diagonal.extended_geometric_js_divergence):
            yield from ((definition.__name__, definition, case | alpha | form) for form in FORMS)
        order = next(order for order in ORDERS[i % len(ORDERS) :] + ORDERS if inside(case, order))
        yield "renyi_divergence", diagonal.renyi_divergence, case | {"order": order}
        if inside(case, 2.0) and diagonal.renyi_divergence(order=mpf(2), **precise(case)) < 80:
            yield "chi_squared_divergence", diagonal.chi_squared_divergence, case
        if len(case["mean"]) == 1:
            yield "arithmetic_js_divergence", ArithmeticJS(), case | alpha
    generator = random.Random(4)
    for i in range(12):
        q, p = vectors(generator, 2, 0.7, 0.3), vectors(generator, 2, 0.5, 0.2)
        case = dict(zip(("mean", "logvar", "prior_mean", "prior_logvar"), (*q, *p), strict=True))
        case["logvar"] = [single(x - 0.5 - i) for x in case["logvar"]]
        if diagonal.renyi_divergence(order=mpf(2), **precise(case)) < 80:
            yield "chi_squared_divergence", diagonal.chi_squared_divergence, case
        case = {name: x[:1] for name, x in case.items()}
        yield "arithmetic_js_divergence", ArithmeticJS(), case | {"alpha": ALPHAS[i % len(ALPHAS)]}
    yield from mixture_cases()
    yield from matrix_cases()
    yield from aggregate_cases()


def mixture_cases():
    generator = random.Random(5)
    for i in range(20):
        n, size = i % 2 + 1, (0.1, 1.0, 3.0)[i % 3]
        mixtures = []
        for components in (1 + i % 3, 2):
            rows = [vectors(generator, n, size, (1.0, 4.0)[i % 4 == 3]) for _ in range(components)]
            weights = vectors(generator, components, 1.0)[0]
            mixtures.append(([row[0] for row in rows], [row[1] for row in rows], weights))
        (mean1, logvar1, weights1), (mean2, logvar2, weights2) = mixtures
        if i in (4, 9):
            logvar1 = [[single(x + (-30, 30)[i == 4]) for x in row] for row in logvar1]
        names = ("mean", "logvar", "component_mean", "component_logvar", "component_logweight")
        case = dict(zip(names, (mean1[0], logvar1[0], mean2, logvar2, weights2), strict=True))
        yield "cauchy_schwarz_divergence", diagonal.cauchy_schwarz_divergence, case
        names = ("mean1", "logvar1", "logweight1", "mean2", "logvar2", "logweight2")
        case = dict(zip(names, (mean1, logvar1, weights1, mean2, logvar2, weights2), strict=True))
        yield "mixture_cauchy_schwarz_divergence", diagonal.mixture_cauchy_schwarz_divergence, case


def matrix_cases():
    for factors in (False, True):
        prefix, wrap = ("full.cholesky.", full.of_factors) if factors else ("full.", lambda definition: definition)
        for definition in (
            full.kl_divergence,
            full.reverse_kl_divergence,
            full.jeffreys_divergence,
            full.cauchy_schwarz_divergence,
        ):
            for case in matrix_pairs(3, factors):
                yield prefix + definition.__name__, wrap(definition), case
        for case in matrix_pairs(2, factors):
            yield prefix + "squared_wasserstein_distance", wrap(full.squared_wasserstein_distance), case
        for i, case in enumerate(matrix_pairs(3, factors)):
            for form in FORMS:
                arguments = case | form | {"alpha": ALPHAS[i % len(ALPHAS)]}
                yield prefix + "geometric_js_divergence", wrap(full.geometric_js_divergence), arguments
                if factors:
                    extended = wrap(full.extended_geometric_js_divergence)
                    yield prefix + "extended_geometric_js_divergence", extended, arguments


def aggregate_cases():
    pairs = sorted(diagonal_pairs(), key=lambda case: "prior_mean" in case)[:20]
    pairs = [{name: case[name] for name in ("mean", "logvar")} for case in pairs]
    for i, case in enumerate(pairs):
        yield "gaussian_mmd", aggregate.gaussian_mmd, case | {"scale": (1.0, 2.0, 0.5, 10.0)[i % 4]}
        short = {name: x[:2] for name, x in case.items()}
        yield "gaussian_imq_mmd", aggregate.gaussian_imq_mmd, short
        yield "gaussian_energy_distance", aggregate.gaussian_energy_distance, short
    for i, case in enumerate(batches(((3, 2), (2, 1), (4, 3)), ("mean", "logvar"))):
        yield "aggregate_mmd", aggregate.aggregate_mmd, case | {"scale": (1.0, 2.0, 0.5, 10.0)[i % 4]}
        moments = case if i % 2 else {"mean": case["mean"]}
        yield "dip_penalties[0]", aggregate.dip_off_diagonal, moments
        yield "dip_penalties[1]", aggregate.dip_diagonal, moments
    for i, case in enumerate(batches(((3, 2), (2, 1), (4, 3)), ("z",))):
        unbiased = {"unbiased": i % 2 == 1}
        scale = {"scale": (1.0, 2.0, 0.5, 10.0)[i % 4]}
        yield "maximum_mean_discrepancy", aggregate.maximum_mean_discrepancy, case | scale | unbiased
        yield "imq_mmd", aggregate.imq_mmd, case | unbiased
        yield "energy_distance", aggregate.energy_distance, case | unbiased
    generator = random.Random(6)
    for case in batches(((3, 2), (2, 1), (5, 3)), ("z",)):
        directions = [vectors(generator, len(case["z"][0]), 1.0)[0] for _ in range(3)]
        case |= {"directions": directions}
        yield "squared_sliced_wasserstein_distance", aggregate.squared_sliced_wasserstein_distance, case


def precise(x):
    """A case with its numbers as mpmath has them."""
    if isinstance(x, dict):
        return {name: precise(value) for name, value in x.items()}
    if isinstance(x, list):
        return [precise(value) for value in x]
    return mpf(x) if isinstance(x, float) else x
