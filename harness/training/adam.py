"""pix2pix's optimiser as one call of the libraries' fused kernel, told its gradients."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from harness.config.settings import TrainSettings

MEANS = ("exp_avg", "exp_avg_sq")  # as torch names them


class Adam(torch.optim.Adam):
    """torch's Adam with betas (beta1, 0.999); its rate is a tensor beside the weights.

    It has its state from the start, and of torch's own the names and shapes. Beside a small
    network's step, torch's way of finding weights, gradients and state costs as much as the update.

    Attributes:
        failed: 0; from 1 on nothing is updated. Several optimisers may share one.
    """

    def __init__(self, net: nn.Module, lr: float, settings: TrainSettings, failed: Tensor) -> None:
        device = failed.device
        # Fused kernels on a GPU read a float32 rate; those of the CPU a double.
        kind = torch.float64 if device.type == "cpu" else torch.float32
        rate = torch.tensor(lr, dtype=kind, device=device)
        super().__init__(net.parameters(), rate, betas=(settings.beta1, 0.999), fused=True)
        self.failed = failed
        count = torch.zeros((), device=device)
        for weight in self.param_groups[0]["params"]:
            means = {name: torch.zeros_like(weight) for name in MEANS}
            self.state[weight] = {"step": count, **means}
        self.arrange()

    @torch.no_grad()
    def arrange(self) -> None:
        """List what a step hands to the kernel, the state brought into the form of the weights.

        Tensors in different orders the kernel would mix up, silently.
        """
        self.weights: list[Tensor] = self.param_groups[0]["params"]
        self.places = places(self.weights)
        states = [self.state[weight] for weight in self.weights]
        for weight, state in zip(self.weights, states, strict=True):
            for name in MEANS:
                if not alike(state[name], weight):
                    state[name] = torch.empty_like(weight).copy_(state[name])
        # All weights move together: the first one's count is that of all.
        self.count: Tensor = states[0]["step"]
        held = [self.weights, *([state[name] for state in states] for name in MEANS)]
        self.moved = [as_they_lie(each, self.weights) for each in held]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave, on whatever device that is."""
        (rate,) = (group["lr"] for group in self.param_groups)
        super().load_state_dict(state_dict)
        (group,) = self.param_groups
        group["lr"] = rate.copy_(group["lr"])  # the loaded one may be elsewhere
        self.arrange()

    def descend(self, loss: Tensor) -> None:
        """One step down `loss`, by these weights alone: whatever else it depends on stays.

        A loss that is not finite is noted in `failed`, and moves nothing.
        """
        self.note(loss)
        self.step(torch.autograd.grad(loss, self.weights))

    def note(self, loss: Tensor) -> None:
        """Set `failed` if `loss` is not finite."""
        torch.maximum(self.failed, (~torch.isfinite(loss.detach())).float(), out=self.failed)

    def freeze(self, frozen: bool) -> None:
        """Whether what is computed with its weights keeps what their gradients need."""
        for weight in self.weights:
            weight.requires_grad_(not frozen)

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:  # type: ignore[override]
        """Move every weight by its gradient."""
        if places(self.weights) != self.places:
            self.arrange()
        group = self.param_groups[0]
        weights, means, squares = self.moved
        self.count += 1
        torch._fused_adam_(
            weights,
            [each.contiguous() for each in as_they_lie(gradients, self.weights)],
            means,
            squares,
            [],
            [self.count] * len(weights),
            lr=group["lr"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
            found_inf=self.failed,
        )


def alike(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors of one shape have one order in memory and one precision."""
    return one.stride() == other.stride() and one.dtype == other.dtype


def places(weights: Sequence[Tensor]) -> list[int]:
    """Where they lie: elsewhere after they were replaced, or laid out anew."""
    return [weight.data_ptr() for weight in weights]


def as_they_lie(held: Sequence[Tensor], weights: Sequence[Tensor]) -> list[Tensor]:
    """Tensors shaped as the weights, seen in the order in which each weight lies in memory.

    Of weights with their channels last a CPU's kernel would take a copy otherwise, at every step.
    """
    return [
        each.permute(0, 2, 3, 1) if weight.dim() == 4 and not weight.is_contiguous() else each
        for each, weight in zip(held, weights, strict=True)
    ]
