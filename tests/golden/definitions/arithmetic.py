"""The Jensen-Shannon divergence with the arithmetic mean, integrated over z in one dimension."""

from functools import lru_cache

from mpmath import mp, mpf

from tests.golden.definitions.diagonal import gaussians


def log_normal(z, mean, variance):
    return -((z - mean) ** 2 / variance + mp.log(2 * mp.pi * variance)) / 2


class ArithmeticJS:
    """The divergence and its gradient.

    Of the integrand only q and p as densities to average over are differentiated: log(q/m) and log(p/m) add an integral
    of the derivative of a density, 0.
    """

    def __call__(self, alpha, **arguments):
        return self.integrals(alpha, **arguments)[0]

    def gradients(self, alpha, **arguments):
        _, *derivatives = self.integrals(alpha, **arguments)
        names = ("mean", "logvar", "prior_mean", "prior_logvar")
        return {name: [x] for name, x in zip(names, derivatives, strict=True) if arguments.get(name)}

    @staticmethod
    def integrals(alpha, **arguments):
        ((m,), (v,)), ((k,), (w,)) = gaussians(**arguments)

        def integrand(z):
            log_q, log_p = log_normal(z, m, v), log_normal(z, k, w)
            q, p = mp.exp(log_q), mp.exp(log_p)
            log_m = mp.log((1 - alpha) * q + alpha * p)
            at_q, at_p = (1 - alpha) * q * (log_q - log_m), alpha * p * (log_p - log_m)
            scores = [(z - m) / v, ((z - m) ** 2 / v - 1) / 2, (z - k) / w, ((z - k) ** 2 / w - 1) / 2]
            return [at_q + at_p, at_q * scores[0], at_q * scores[1], at_p * scores[2], at_p * scores[3]]

        reach = [centre + i * mp.sqrt(s) for centre, s in ((m, v), (k, w)) for i in range(-14, 15)]
        return gauss_legendre(integrand, sorted(set(reach)))


def gauss_legendre(integrand, edges):
    """Integrals of a function with several values over panels between edges, with 60 nodes each."""
    totals = None
    for left, right in zip(edges, edges[1:], strict=False):
        for x, weight in legendre(60):
            values = integrand(left + (right - left) * x)
            values = [(right - left) * weight * value for value in values]
            totals = values if totals is None else [a + b for a, b in zip(totals, values, strict=True)]
    return totals


@lru_cache
def legendre(order):
    """Nodes and weights on [0, 1]: the roots of the Legendre polynomial by Newton's method, its derivative at them."""
    nodes = []
    for i in range(order):
        x = mp.cos(mp.pi * (i + mpf(3) / 4) / (order + mpf(1) / 2))
        for _ in range(10):
            value, slope = legendre_polynomial(order, x)
            x -= value / slope
        nodes.append(((1 + x) / 2, 1 / ((1 - x**2) * slope**2)))
    return nodes


def legendre_polynomial(order, x):
    """The polynomial and its derivative."""
    before, value = mpf(1), x
    for k in range(1, order):
        before, value = value, ((2 * k + 1) * x * value - k * before) / (k + 1)
    return value, order * (x * value - before) / (x**2 - 1)
