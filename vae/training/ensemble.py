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
from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import accumulate, chain, pairwise
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from vae.inputs import add_noise, to_network
from vae.means import Means, NonFiniteError
from vae.models import VAE, VAEOutput, reparameterise
from vae.random import stream_seed
from vae.training.settings import TrainingSettings
from vae.training.step import OptimizerStep
from vae.training.trainer import Reporter, Trainer

AVERAGES = ("exp_avg", "exp_avg_sq")  # Adam's, of the gradient and its square


class Ensemble:
    """Trainers as one, for an epoch. Until its end they stay as they were.

    They may differ in loss, prior and likelihood, and in settings that are `free_to_differ`. They share all other
    settings, the data, the networks and the epochs done, and their losses are `batchable`. All of them are compiled,
    or none.

    Members are in dimension 0 of every tensor here, M of them, the members of a group next to each other.

    Raises ValueError for trainers whose settings differ in more.
    """

    def __init__(self, trainers: Sequence[Trainer], reporter: Reporter | None = None):
        self.trainers, self.reporter = trainers, reporter or Reporter()
        self.settings = replace(shared_settings(trainers), compile=trainers[0].compiled)
        self.groups = groups_of(trainers)
        self.members = [trainer for group in self.groups for trainer in group.trainers]
        self.encoder = Stack([trainer.model.encoder for trainer in self.members], self.members)
        self.decoder = Stack([trainer.model.decoder for trainer in self.members], self.members)
        self.stacks = [self.encoder, self.decoder, *(group.objective for group in self.groups)]
        self.take_step = self.make_step()
        for stack in self.stacks:
            stack.take_over(self.take_step.optimizer)
        self.data, self.model = self.members[0].data, self.members[0].model.train()
        self.streams = [RandomStream(trainer, self.data.device) for trainer in self.members]
        self.order = torch.stack([stream.order for stream in self.streams]).to(self.data.device)  # (M, N)

    def make_step(self) -> OptimizerStep:
        """What takes the members' next steps, each stack of parameters being those of some members or of all."""
        starts = accumulate((len(group.trainers) for group in self.groups), initial=0)
        rows = [slice(0, len(self.members))] * 2 + [slice(start, end) for start, end in pairwise(starts)]
        owned = [(parameter, own) for stack, own in zip(self.stacks, rows) for parameter in stack.whole.parameters()]
        parameters, members = zip(*owned)
        step = OptimizerStep(self.terms, parameters, self.settings, self.trainers[0].take_step.steps, members)
        step.set_steps_done(self.trainers[0].step)
        return step

    def train_epoch(self) -> list[dict[str, float] | NonFiniteError]:
        """Train every trainer for an epoch, and return the record of each as its own `train_epoch` would.

        In place of a record there is the NonFiniteError of a trainer whose terms or parameters are not finite at the
        end of the epoch; the others are not touched by it. The seconds are those of all together.
        """
        batches = self.order.split(self.settings.batch_size, dim=1)
        self.reporter.start_epoch(self.members[0].epoch + 1, self.order.numel())
        start = perf_counter()
        try:
            for chosen in batches:
                self.train_batch(chosen)
                self.reporter.advance(chosen.numel())
            self.hand_back()
            means = self.means()
            errors = {trainer: non_finite(trainer, means[trainer]) for trainer in self.trainers}
        finally:
            self.reporter.end_epoch()
        seconds = perf_counter() - start
        return [errors[one] or one.end_epoch(means[one], len(batches), seconds) for one in self.trainers]

    def train_batch(self, chosen: Tensor) -> None:
        """One optimiser step of every member, on the images of its row of `chosen`, (M, B)."""
        images = to_network(self.data.index_select(0, chosen.flatten())).unflatten(0, chosen.shape)  # (M, B, C, H, W)
        inputs, eps = self.draw(images)
        terms = self.take_step(images, inputs, eps, full=chosen.shape[1] == self.settings.batch_size)
        for group, own in zip(self.groups, terms):
            group.objective.whole.loss.step_taken()
            group.means.add(own, chosen.shape[1])

    def draw(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What is drawn for a step, by each member from its own stream: the noisy images, and the eps of every z."""
        inputs = images
        if self.settings.noise:
            noisy = (add_noise(own, self.settings.noise, stream.generator) for own, stream in zip(images, self.streams))
            inputs = torch.stack(list(noisy))
        eps = next(self.model.parameters()).new_empty(*images.shape[:2], self.model.prior.latent_dim)
        for own, stream in zip(eps, self.streams):
            own.normal_(generator=stream.generator)
        return inputs, eps

    def terms(self, images: Tensor, inputs: Tensor, eps: Tensor) -> tuple[Tensor, list[dict[str, Tensor]]]:
        """The sum of all totals, and the terms by name of each group's members."""
        mean, logvar = self.model.run(self.encoder, inputs)
        z = reparameterise(mean, logvar, eps)
        sizes = [len(group.trainers) for group in self.groups]
        parts = zip(*(tensor.split(sizes) for tensor in (images, mean, logvar, z, self.model.run(self.decoder, z))))
        terms = [group.objective(images, VAEOutput(*output)) for group, (images, *output) in zip(self.groups, parts)]
        return sum(own["loss"].sum() for own in terms), terms

    def hand_back(self) -> None:
        """Give every trainer its parameters, its buffers and the state of its Adam."""
        for stack in self.stacks:
            stack.hand_back(self.take_step.optimizer)
        for trainer in self.trainers:
            trainer.take_step.compiled = self.take_step.compiled

    def means(self) -> dict[Trainer, Means]:
        """The means of every trainer's terms so far."""
        return {
            trainer: group.means.of_member(index)
            for group in self.groups
            for index, trainer in enumerate(group.trainers)
        }


def shared_settings(trainers: Sequence[Trainer]) -> TrainingSettings:
    """The settings of the first, with which the others agree. Raises ValueError if they do not."""
    first, *others = (trainer.settings for trainer in trainers)
    for name in (field.name for field in fields(first) if field.name not in first.free_to_differ()):
        if any(getattr(other, name) != getattr(first, name) for other in others):
            raise ValueError(f"the members of an ensemble differ in {name}: expected one for all")
    return first


def non_finite(trainer: Trainer, means: Means) -> NonFiniteError | None:
    """What is not finite after a trainer's epoch with these means, if anything is."""
    try:
        trainer.check_finite(means)
    except NonFiniteError as error:
        return error
    return None


class RandomStream:
    """The random stream that a trainer's next epoch has alone: the order of the images, and then what is drawn."""

    def __init__(self, trainer: Trainer, device: torch.device):
        seed = stream_seed(trainer.settings.seed, trainer.epoch + 1)
        self.generator = torch.Generator().manual_seed(seed)
        self.order = torch.randperm(len(trainer.data), generator=self.generator)
        if device.type != "cpu":
            self.generator = torch.Generator(device).manual_seed(seed)


class Stack:
    """The same module of several trainers as one, `whole`: its parameters and buffers have theirs in dimension 0.

    So have the numbers in which members differ, see `differing_numbers`: they are buffers of the whole. Calling it
    applies each member's module to the member's part of the inputs.
    """

    def __init__(self, parts: Sequence[nn.Module], trainers: Sequence[Trainer]):
        self.trainers, self.parts = trainers, [tensors_of(part) for part in parts]
        self.whole = copy.deepcopy(parts[0]).train()
        for path, whole in tensors_of(self.whole).items():
            whole.data = torch.stack([part[path].detach() for part in self.parts])
        like = next(trainers[0].model.parameters())
        for path, values in differing_numbers(parts).items():
            module, _, name = path.rpartition(".")
            delattr(self.whole.get_submodule(module), name)
            self.whole.get_submodule(module).register_buffer(name, like.new_tensor(values))
        self.tensors = tensors_of(self.whole)

    def __call__(self, *inputs: Any) -> Any:
        return vmap(lambda tensors, *inputs: functional_call(self.whole, tensors, inputs))(self.tensors, *inputs)

    def take_over(self, optimizer: torch.optim.Adam) -> None:
        """Give the optimiser of the whole what the trainers' have gathered so far."""
        for path in self.parts[0]:
            states = [trainer.optimizer.state.get(part[path]) for trainer, part in zip(self.trainers, self.parts)]
            if states[0]:
                gathered = {name: torch.stack([state[name] for state in states]) for name in AVERAGES}
                optimizer.state[self.tensors[path]] = {"step": states[0]["step"].clone(), **gathered}

    @torch.no_grad()
    def hand_back(self, optimizer: torch.optim.Adam) -> None:
        """Give the trainers' modules and optimisers what the whole and its optimiser have by now."""
        for index, (trainer, part) in enumerate(zip(self.trainers, self.parts)):
            for path, tensor in part.items():
                whole = self.tensors[path]
                tensor.copy_(whole[index])
                if gathered := optimizer.state.get(whole):
                    averages = {name: torch.empty_like(tensor).copy_(gathered[name][index]) for name in AVERAGES}
                    trainer.optimizer.state[tensor] = {"step": gathered["step"].clone(), **averages}


class Withheld(nn.Module):
    """What an objective finds in place of the networks, which are not for a single member to use."""

    def forward(self, *inputs: Any) -> Tensor:
        raise TypeError("an objective that uses the networks trains alone: leave out `batchable = True` in its class")


class MemberObjective(nn.Module):
    """A member's loss and what it needs of the model, which is all but the networks."""

    def __init__(self, trainer: Trainer):
        super().__init__()
        self.model = VAE(Withheld(), Withheld(), trainer.model.prior, trainer.model.likelihood)
        self.loss = trainer.loss

    def forward(self, images: Tensor, output: VAEOutput) -> dict[str, Tensor]:
        """The terms by name."""
        return self.loss.terms(self.model, images, output).named()


class Group:
    """Members whose objectives are the same code, in which only numbers differ."""

    def __init__(self, trainers: Sequence[Trainer]):
        self.trainers, self.means = trainers, Means()
        self.objective = Stack([MemberObjective(trainer) for trainer in trainers], trainers)


def groups_of(trainers: Sequence[Trainer]) -> list[Group]:
    """The trainers in groups of the same kind of objective."""
    kinds: list[tuple[Any, list[Trainer]]] = []
    for trainer in trainers:
        kind = kind_of(MemberObjective(trainer))
        group = next((members for other, members in kinds if other == kind), None)
        if group is None:
            kinds.append((kind, group := []))
        group.append(trainer)
    return [Group(members) for _, members in kinds]


def kind_of(module: nn.Module) -> tuple[dict[str, Any], ...]:
    """What is the same for members of one group: all but the values of tensors and of numbers."""
    types = {path: type(part) for path, part in module.named_modules()}
    shapes = {path: tensor.shape for path, tensor in tensors_of(module).items()}
    others = {path: float if isinstance(value, float) else value for path, value in attributes_of(module).items()}
    return types, shapes, others


def differing_numbers(modules: Sequence[nn.Module]) -> dict[str, list[float]]:
    """The numbers (float attributes: alpha or a weight, say) in which modules of one kind differ, by path."""
    attributes = [attributes_of(module) for module in modules]
    numbers = [path for path, value in attributes[0].items() if isinstance(value, float)]
    columns = {path: [own[path] for own in attributes] for path in numbers}
    return {path: values for path, values in columns.items() if len(set(values)) > 1}


def attributes_of(module: nn.Module) -> dict[str, Any]:
    """What a module, and those in it, hold besides parameters, buffers and modules, by path."""
    return {
        f"{path}.{name}": value
        for path, part in module.named_modules()
        for name, value in vars(part).items()
        if name not in vars(nn.Module())
    }


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """The parameters and buffers of a module, by path."""
    return dict(chain(module.named_parameters(), module.named_buffers()))
