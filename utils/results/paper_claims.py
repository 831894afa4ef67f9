"""What the geometric Jensen-Shannon paper claims of its runs (Deasy et al. 2020, arXiv:2006.10599).

results/reference/README.md has the rule by which they are judged.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import pairwise

from utils.grids.presets import ALPHAS
from utils.results.claims import Claim, Comparison
from utils.results.groups import Model, RunGroup
from utils.results.paper_numbers import number_of
from vae.evaluation.statistics import Estimate, is_below, is_within

CHOSEN_ON = 1234  # the seed by whose training images an α is chosen; it is judged on the others
SMALL_GAP = 0.25  # between training and test images, in squared error
AS_GOOD = 0.1  # of a choice of α, in squared error
NEAR_BEST = 0.2  # of a learnt α, in squared error
ON_A_PAR = 1.0  # nats of evidence

KL, RKL, MMD, BETA = Model("KL"), Model("rKL"), Model("MMD", {"MMD_B": 500.0}), Model("betaH", {"betaH_B": 4.0})
LEARNT = {loss: Model(loss, {"GJS_A": 0.5}) for loss in ("tGJS", "tdGJS")}  # α starts there
BETAS = (0.0625, 0.125, 0.25, 0.5, 0.75, 1.0, 2.0, 3.0, 4.0)
EVIDENCE, BY_PRIOR = "evidence mean", "evidence prior_sampling"
CLAIMS: list[Claim] = []

Comparisons = Iterator[Comparison]


def claim(text: str, source: str, measured: str, dataset: str | None = None) -> Callable:
    """Add a claim, whose comparisons a function gives, on one data set or on all."""

    def add(comparisons: Callable[[RunGroup], Comparisons]) -> Callable[[RunGroup], Comparisons]:
        CLAIMS.append(Claim(text, source, measured, comparisons, dataset))
        return comparisons

    return add


def claim_over_alpha(
    text: str,
    source: str,
    measured: str,
    alphas: Iterable[float],
    pair: Callable[[float], tuple[Model, Model]],
    quantity: str = "squared_error",
    bound: float = 0.0,
    dataset: str | None = None,
    applies: Callable[[str, Model, Model], bool] = lambda dataset, left, right: True,
) -> None:
    """Add a claim with a comparison for each skew: a pair's difference in a quantity is below a bound.

    Of the skews those where both models have been trained, and where the claim `applies` to them on a data set.
    """

    @claim(text, source, measured, dataset)
    def comparisons(group: RunGroup) -> Comparisons:
        for alpha in alphas:
            left, right = pair(alpha)
            trained = all(group.values(model, quantity) for model in (left, right))
            if trained and applies(group.dataset, left, right):
                yield less(f"α = {alpha}", group.difference(left, right, quantity), bound)


def primal(alpha: float, weight: float = 1.0) -> Model:
    """JS^G with a skew, and a weight λ."""
    return Model("GJS", {"GJS_A": alpha, "GJS_B": weight, "GJS_invA": True})


def dual(alpha: float, weight: float = 1.0) -> Model:
    """Its dual."""
    return Model("dGJS", {"GJS_A": alpha, "GJS_B": weight, "GJS_invA": True})


def chosen(group: RunGroup, skewed: Callable[[float], Model]) -> Model | None:
    """The skew with the least error on the training images of one seed."""
    return group.best(map(skewed, ALPHAS), CHOSEN_ON)


def less(label: str, difference: Estimate | None, bound: float = 0.0) -> Comparison:
    """That a difference is below a bound."""
    return Comparison(label, difference, partial(is_below, bound=bound))


def papers_is_less(dataset: str, left: Model, right: Model) -> bool:
    """Whether the paper's own squared error on a data set is less for the left model than for the right."""
    return number_of(dataset, left).value < number_of(dataset, right).value


def alpha_of(model: Model) -> str:
    """The skew of a model, in words."""
    return f"α = {model.options['GJS_A']}"


# Squared error


@claim("KL(p‖q) has a larger error than KL(q‖p)", "Section 3.2 and Table 1", "KL(q‖p) minus KL(p‖q): below 0")
def reverse_kl_is_worse(group: RunGroup) -> Comparisons:
    yield less("KL(p‖q)", group.difference(KL, RKL))


claim_over_alpha(
    "JS^G is below KL(p‖q) for every α",
    "Section 3.2, Figure 3",
    "JS^G minus KL(p‖q): below 0",
    ALPHAS,
    lambda alpha: (primal(alpha), RKL),
)


claim_over_alpha(
    "JS^G is below KL(q‖p) for α < 0.3",
    "Section 3.2",
    "JS^G minus KL(q‖p): below 0",
    [0.1, 0.2],
    lambda alpha: (primal(alpha), KL),
)


claim_over_alpha(
    "The dual is below KL(q‖p) for nearly every α",
    "Section 3.2; judged at each α where the paper's own is",
    "dual minus KL(q‖p): below 0",
    ALPHAS,
    lambda alpha: (dual(alpha), KL),
    applies=papers_is_less,
)


claim_over_alpha(
    "The dual is below JS^G for nearly every α",
    "Section 3.2; judged at each α where the paper's own is",
    "dual minus JS^G: below 0",
    ALPHAS,
    lambda alpha: (dual(alpha), primal(alpha)),
    applies=papers_is_less,
)


@claim(
    "The dual is below all others",
    "Section 3.2 and Table 1",
    "dual at the α chosen on seed 1234 minus each of the others, on the other seeds: below 0",
)
def dual_is_best(group: RunGroup) -> Comparisons:
    if best := chosen(group, dual):
        others = {"KL(q‖p)": KL, "KL(p‖q)": RKL, "β-VAE, β = 4": BETA, "MMD": MMD, "JS^G, α = 0.5": primal(0.5)}
        others |= {f"JS^G, {alpha_of(other)}": other} if (other := chosen(group, primal)) else {}
        for name, model in others.items():
            yield less(f"{alpha_of(best)}, {name}", group.difference(best, model, without=CHOSEN_ON))


@claim(
    "MMD has a larger error than KL(q‖p)",
    "Table 1, for MNIST alone; its MMD is another objective",
    "KL(q‖p) minus MMD: below 0",
    "mnist",
)
def mmd_is_worse(group: RunGroup) -> Comparisons:
    yield less("weight 500", group.difference(KL, MMD))


@claim(
    "The error of JS^G grows with α",
    "Section 3.2 and Figure 3",
    "JS^G at an α minus JS^G at the next larger α: below 0",
)
def primal_grows(group: RunGroup) -> Comparisons:
    trained = [alpha for alpha in ALPHAS if group.values(primal(alpha))]
    for smaller, larger in pairwise(trained):
        yield less(f"α = {smaller}, {larger}", group.difference(primal(smaller), primal(larger)))


@claim(
    "The dual's error is least at an α up to 0.5",
    "Section 3.2",
    "dual at the α chosen on seed 1234 minus the dual at each α above 0.5, on the other seeds: below 0",
)
def dual_is_best_below_half(group: RunGroup) -> Comparisons:
    if best := chosen(group, dual):
        for alpha in [alpha for alpha in ALPHAS[5:] if group.values(dual(alpha))]:
            yield less(f"{alpha_of(best)}, {alpha}", group.difference(best, dual(alpha), without=CHOSEN_ON))


@claim(
    "Towards α = 1 JS^G goes to KL(p‖q), and its dual to KL(q‖p)",
    "Sections 2 and 3.2",
    "error at 0.5 minus error at 0.9, and error at 0.9 minus that of the divergence it goes to: below 0",
)
def ends_are_kl(group: RunGroup) -> Comparisons:
    for name, skewed, end, end_name in (("JS^G", primal, RKL, "KL(p‖q)"), ("dual", dual, KL, "KL(q‖p)")):
        yield less(f"{name}, 0.5 and 0.9", group.difference(skewed(0.5), skewed(0.9)))
        yield less(f"{name}, 0.9 and {end_name}", group.difference(skewed(0.9), end))


@claim(
    "The error is nearly the same on training and on test images",
    "Section 3.2, Figure 3",
    f"test minus training images: within {SMALL_GAP}",
)
def generalises(group: RunGroup) -> Comparisons:
    for name, model in (
        ("KL(q‖p)", KL),
        *((f"JS^G, α = {alpha}", primal(alpha)) for alpha in ALPHAS),
        *((f"dual, α = {alpha}", dual(alpha)) for alpha in ALPHAS),
    ):
        test, train = (group.values(model, split=split) for split in ("test", "train"))
        if test:
            gap = Estimate({seed: test[seed] - train[seed] for seed in test})
            yield Comparison(name, gap, partial(is_within, margin=SMALL_GAP))


@claim(
    "α can be chosen on training images",
    "Section 3.2",
    "test error at the α chosen on the training images of seed 1234 minus the least of each other seed: "
    f"below {AS_GOOD}. Of a seed only the α count that it has been trained with",
)
def alpha_by_training(group: RunGroup) -> Comparisons:
    for name, skewed in (("JS^G", primal), ("dual", dual)):
        if model := chosen(group, skewed):
            errors = group.values(model)
            errors.pop(CHOSEN_ON)
            least = {seed: group.best(map(skewed, ALPHAS), seed, "test") for seed in errors}
            lost = {seed: errors[seed] - group.values(least[seed])[seed] for seed in errors}
            yield less(f"{name}, {alpha_of(model)}", Estimate(lost) if lost else None, AS_GOOD)


@claim("β-VAE's error grows with β", "Appendix F", "error at a β minus error at the next larger β: below 0")
def beta_grows(group: RunGroup) -> Comparisons:
    models = [Model("betaH", {"betaH_B": beta}) for beta in BETAS]
    trained = [model for model in models if group.values(model)]
    for smaller, larger in pairwise(trained):
        label = f"β = {smaller.options['betaH_B']:g}, {larger.options['betaH_B']:g}"
        yield less(label, group.difference(smaller, larger))


@claim(
    "No β reaches the dual",
    "Appendix F with Table 1",
    "dual at the α chosen on seed 1234 minus β-VAE, on the other seeds: below 0",
)
def beta_does_not_reach_the_dual(group: RunGroup) -> Comparisons:
    if best := chosen(group, dual):
        for beta in BETAS:
            if group.values(model := Model("betaH", {"betaH_B": beta})):
                yield less(f"{alpha_of(best)}, β = {beta:g}", group.difference(best, model, without=CHOSEN_ON))


@claim("The error of JS^G grows with the weight λ", "Appendix E", "error at λ = 1 minus error at a larger λ: below 0")
def weight_grows(group: RunGroup) -> Comparisons:
    for alpha in ALPHAS:
        for weight in (2.0, 3.0, 4.0):
            if group.values(primal(alpha, weight)):
                difference = group.difference(primal(alpha), primal(alpha, weight))
                yield less(f"α = {alpha}, λ = {weight:g}", difference)


@claim(
    "A learnt α is as good as the best of nine",
    "The authors' later work on learnt α",
    f"learnt α minus the α chosen on seed 1234, on the other seeds: below {NEAR_BEST}",
)
def learnt_is_as_good(group: RunGroup) -> Comparisons:
    for name, loss, skewed in (("JS^G", "tGJS", primal), ("dual", "tdGJS", dual)):
        if best := chosen(group, skewed):
            difference = group.difference(LEARNT[loss], best, without=CHOSEN_ON)
            yield less(f"{name}, {alpha_of(best)}", difference, NEAR_BEST)


# Evidence


claim_over_alpha(
    "JS^G is competitive in evidence for 0.15 < α < 0.4",
    "Section 3.2, Figure 5",
    f"evidence of KL(q‖p) minus that of JS^G, in nats: below {ON_A_PAR:g}",
    [0.2, 0.3],
    lambda alpha: (KL, primal(alpha)),
    EVIDENCE,
    ON_A_PAR,
)


claim_over_alpha(
    "The same by prior sampling, the estimate that the paper describes",
    "Section 3.2, Figure 5",
    f"prior sampling of KL(q‖p) minus that of JS^G, in nats: below {ON_A_PAR:g}",
    [0.2, 0.3],
    lambda alpha: (KL, primal(alpha)),
    BY_PRIOR,
    ON_A_PAR,
)


claim_over_alpha(
    "The dual's smaller error comes at a cost in evidence",
    "Section 3.2, Figure 5, for MNIST alone",
    "evidence of the dual minus that of KL(q‖p), in nats: below 0",
    [0.2, 0.3, 0.4, 0.5],
    lambda alpha: (dual(alpha), KL),
    EVIDENCE,
    dataset="mnist",
)


claim_over_alpha(
    "The dual generates better with α above 0.6",
    "Section 3.2, Figure 5",
    "evidence of the dual at 0.3 minus that at an α above 0.6, in nats: below 0",
    ALPHAS[6:],
    lambda alpha: (dual(0.3), dual(alpha)),
    EVIDENCE,
)
