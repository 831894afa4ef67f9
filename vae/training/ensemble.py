"""Many runs trained as one batched model: a small network leaves most of a GPU idle, a few dozen at once do not.

The members' networks are applied together, by `torch.func.vmap`: their linear layers become batched matrix products,
their convolutions grouped ones. What the networks give is then split among groups of members whose objectives differ in
numbers only (alpha, a weight), and each group's terms are again one vmap. The gradient of the sum of all totals is, for
each member, that of its own total; Adam is elementwise, so one over stacked parameters is one for each.

Every member has the order of images, the noise and the z that it has alone, and ends with the same numbers up to
rounding, because a batched product may sum in another order.

A step first draws each member's random numbers from the member's own stream; the rest of it is a function of tensors,
`Ensemble.terms`, which can be compiled.
"""

import copy
from collections.abc import Callable, Hashable, Sequence
from itertools import chain
from operator import attrgetter
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from vae.inputs import add_noise, to_network
from vae.losses import Loss
from vae.means import Means, NonFiniteError
from vae.models import VAE, VAEOutput, reparameterise
from vae.random import stream_seed
from vae.training.compiled import compile_for_one_shape, compiled_or_plain
from vae.training.trainer import Reporter, Trainer

AVERAGES = ("exp_avg", "exp_avg_sq")  # Adam's, of the gradient and its square


def train_epoch(trainers: Sequence[Trainer], reporter: Reporter) -> list[dict[str, float] | NonFiniteError]:
    """Train every trainer for an epoch, all as one, and return the record of each as its own `train_epoch` would.

    In place of a record there is the NonFiniteError of a trainer whose terms or parameters are not finite at the end of
    the epoch; the others are not touched by it. The seconds are those of all together.

    The trainers may differ in seed, loss and likelihood. They share the data, the sizes of the networks, batch size,
    learning rate, noise, precision and the epochs done, and their losses are `batchable`. Until the epoch's end they
    stay as they were. All of them are compiled, or none.
    """
    ensemble = Ensemble(trainers)
    reporter.start_epoch(trainers[0].epoch + 1, ensemble.order.numel())
    start = perf_counter()
    try:
        batches = ensemble.order.split(trainers[0].batch_size, dim=1)
        for index in batches:
            ensemble.step(index)
            reporter.advance(index.numel())
        ensemble.hand_back()
        means = ensemble.means()
        errors = {trainer: non_finite(trainer, means[trainer]) for trainer in trainers}
    finally:
        reporter.end_epoch()
    seconds = perf_counter() - start
    return [errors[trainer] or trainer.end_epoch(means[trainer], len(batches), seconds) for trainer in trainers]


def non_finite(trainer: Trainer, means: Means) -> NonFiniteError | None:
    """What is not finite after a trainer's epoch with these means, if anything is."""
    try:
        means.check(trainer.epoch + 1, trainer.step)
        trainer.check_parameters()
    except NonFiniteError as error:
        return error
    return None


class Ensemble:
    """Trainers as one, for an epoch. It works on copies of their models: `hand_back` gives them what it has learnt.

    Members are in dimension 0 of every tensor here, M of them, the members of a group next to each other.
    """

    def __init__(self, trainers: Sequence[Trainer]):
        self.groups = [Group(alike) for alike in alike_but_for_numbers(trainers)]
        members = [trainer for group in self.groups for trainer in group.trainers]
        self.encoder = Stack([trainer.model.encoder for trainer in members], members)
        self.decoder = Stack([trainer.model.decoder for trainer in members], members)
        self.stacks = [self.encoder, self.decoder, *(group.objective for group in self.groups)]
        parameters = chain.from_iterable(stack.whole.parameters() for stack in self.stacks)
        self.optimizer = torch.optim.Adam(parameters, lr=members[0].optimizer.defaults["lr"], fused=True)
        for stack in self.stacks:
            stack.take_over(self.optimizer)
        self.data, self.noise, self.model = members[0].data, members[0].noise, members[0].model.train()
        self.members, self.batch_size = members, members[0].batch_size
        # PyTorch does so once, for the ensembles of all epochs, until the members are others.
        self.compiled_terms = compile_for_one_shape(self.terms) if members[0].compiled else self.terms
        self.streams = [RandomStream(trainer, self.data.device) for trainer in members]
        self.order = torch.stack([stream.order for stream in self.streams]).to(self.data.device)  # (M, N)

    def step(self, index: Tensor) -> None:
        """One optimiser step of every member, on the images of its row of `index`, (M, B)."""
        images = to_network(self.data.index_select(0, index.flatten())).unflatten(0, index.shape)  # (M, B, C, H, W)
        inputs = images
        if self.noise:
            noisy = [add_noise(own, self.noise, stream.generator) for own, stream in zip(images, self.streams)]
            inputs = torch.stack(noisy)
        parameter = next(self.model.parameters())
        noise = parameter.new_empty(*index.shape, self.model.prior.latent_dim)
        for own, stream in zip(noise, self.streams):
            own.normal_(generator=stream.generator)
        terms = self.differentiate(images, inputs, noise)
        self.optimizer.step()
        for group, own in zip(self.groups, terms):
            group.objective.whole.loss.after_step()
            group.means.add(own, index.shape[1])

    def differentiate(self, images: Tensor, inputs: Tensor, noise: Tensor) -> list[dict[str, Tensor]]:
        """The `terms`, and in the parameters the gradient of all totals."""

        def by(function: Callable[..., list[dict[str, Tensor]]]) -> list[dict[str, Tensor]]:
            self.optimizer.zero_grad()
            terms = function(images, inputs, noise)
            sum(own["loss"].sum() for own in terms).backward()
            return terms

        if images.shape[1] < self.batch_size:
            return by(self.terms)
        return compiled_or_plain(self.members, by, self.compiled_terms, self.terms)

    def terms(self, images: Tensor, inputs: Tensor, noise: Tensor) -> list[dict[str, Tensor]]:
        """The terms by name of each group's members, of what they are to reconstruct, see, and draw z by."""
        mean, logvar = self.model.run(self.encoder, inputs)
        z = reparameterise(mean, logvar, noise)
        shares = [len(group.trainers) for group in self.groups]
        parts = zip(*(tensor.split(shares) for tensor in (images, mean, logvar, z, self.model.run(self.decoder, z))))
        return [group.terms(images, VAEOutput(*output)) for group, (images, *output) in zip(self.groups, parts)]

    def hand_back(self) -> None:
        """Give every trainer its parameters, its buffers and the state of its Adam."""
        for stack in self.stacks:
            stack.hand_back(self.optimizer)

    def means(self) -> dict[Trainer, Means]:
        """The means of every trainer's terms so far."""
        return {
            trainer: group.means.of_member(index)
            for group in self.groups
            for index, trainer in enumerate(group.trainers)
        }


class RandomStream:
    """The random stream that a trainer's next epoch has alone: the order of the images, and then what is drawn."""

    def __init__(self, trainer: Trainer, device: torch.device):
        seed = stream_seed(trainer.seed, trainer.epoch + 1)
        self.generator = torch.Generator().manual_seed(seed)
        self.order = torch.randperm(len(trainer.data), generator=self.generator)
        if device.type != "cpu":
            self.generator = torch.Generator(device).manual_seed(seed)


class Stack:
    """The same module of several trainers as one, `whole`: its parameters and buffers have theirs in dimension 0.

    Calling it applies each member's module to the member's part of the inputs.
    """

    def __init__(self, parts: Sequence[nn.Module], trainers: Sequence[Trainer]):
        self.parts, self.trainers = parts, trainers
        self.whole = copy.deepcopy(parts[0]).train()
        for whole, *own in zip(*(chain(part.parameters(), part.buffers()) for part in (self.whole, *parts))):
            whole.data = torch.stack([tensor.detach() for tensor in own])

    def __call__(self, *inputs: Any) -> Any:
        state = dict(chain(self.whole.named_parameters(), self.whole.named_buffers()))
        return vmap(lambda state, *inputs: functional_call(self.whole, state, inputs))(state, *inputs)

    def take_over(self, optimizer: torch.optim.Adam) -> None:
        """Give the optimiser of the whole what the trainers' have gathered so far."""
        for whole, *own in zip(*(part.parameters() for part in (self.whole, *self.parts))):
            states = [trainer.optimizer.state.get(parameter) for trainer, parameter in zip(self.trainers, own)]
            if states[0]:
                gathered = {name: torch.stack([state[name] for state in states]) for name in AVERAGES}
                optimizer.state[whole] = {"step": states[0]["step"].clone(), **gathered}

    @torch.no_grad()
    def hand_back(self, optimizer: torch.optim.Adam) -> None:
        """Give the trainers' modules and optimisers what the whole and its optimiser have by now."""
        for whole, *own in zip(*(chain(part.parameters(), part.buffers()) for part in (self.whole, *self.parts))):
            gathered = optimizer.state.get(whole)
            for index, (trainer, tensor) in enumerate(zip(self.trainers, own)):
                tensor.copy_(whole[index])
                if gathered:
                    averages = {name: torch.empty_like(tensor).copy_(gathered[name][index]) for name in AVERAGES}
                    trainer.optimizer.state[tensor] = {"step": gathered["step"].clone(), **averages}


class Objective(nn.Module):
    """A loss and what it needs of its model, which is all but the networks."""

    def __init__(self, model: VAE, loss: Loss):
        super().__init__()
        self.model = VAE(nn.Module(), nn.Module(), model.prior, model.likelihood)
        self.loss = loss

    def forward(self, numbers: dict[str, Tensor], images: Tensor, output: VAEOutput) -> dict[str, Tensor]:
        """The terms by name, with these values in place of those of its `numbers`."""
        own = {path: attrgetter(path)(self) for path in numbers}
        self.set(numbers)
        terms = self.loss.terms(self.model, images, output).named()
        self.set(own)  # what is compiled may not leave a tensor of vmap behind
        return terms

    def set(self, numbers: dict[str, Any]) -> None:
        """Give those of its `numbers` other values."""
        for path, value in numbers.items():
            module, _, name = path.rpartition(".")
            setattr(self.get_submodule(module), name, value)

    def attributes(self) -> dict[str, Any]:
        """What its modules hold besides parameters, buffers and modules, by path."""
        return {
            f"{path}.{name}": value
            for path, module in self.named_modules()
            for name, value in vars(module).items()
            if name not in vars(nn.Module())
        }

    def numbers(self) -> dict[str, float]:
        """The attributes in which members of one group may differ."""
        return {path: value for path, value in self.attributes().items() if isinstance(value, float)}

    def kind(self) -> Hashable:
        """What is the same for members of one group: all but the values of tensors and of numbers."""
        modules = tuple((path, type(module)) for path, module in self.named_modules())
        tensors = tuple((path, tensor.shape) for path, tensor in chain(self.named_parameters(), self.named_buffers()))
        numbers = self.numbers()
        others = tuple((path, path in numbers or repr(value)) for path, value in self.attributes().items())
        return modules, tensors, others


class Group:
    """Members whose objectives are the same code, in which only numbers differ."""

    def __init__(self, trainers: Sequence[Trainer]):
        self.trainers, self.means = trainers, Means()
        objectives = [Objective(trainer.model, trainer.loss) for trainer in trainers]
        self.objective = Stack(objectives, trainers)
        own = [objective.numbers() for objective in objectives]
        values = {path: [numbers[path] for numbers in own] for path in own[0]}
        like = next(trainers[0].model.parameters())
        self.numbers = {path: like.new_tensor(column) for path, column in values.items() if len(set(column)) > 1}

    def terms(self, images: Tensor, output: VAEOutput) -> dict[str, Tensor]:
        """The members' terms by name, each (M,)."""
        return self.objective(self.numbers, images, output)


def alike_but_for_numbers(trainers: Sequence[Trainer]) -> list[list[Trainer]]:
    """The trainers in groups of the same kind of objective."""
    groups: dict[Hashable, list[Trainer]] = {}
    for trainer in trainers:
        groups.setdefault(Objective(trainer.model, trainer.loss).kind(), []).append(trainer)
    return list(groups.values())
