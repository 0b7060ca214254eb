"""One AdamW for everything that is trained, in groups with their own share of the rate."""

from torch import nn
from torch.optim import AdamW

from settings import Settings

EPSILON = 1e-6  # larger than the usual 1e-8: gradients of rare words are tiny at first


def rate_share(name: str, settings: Settings) -> float:
    """Of the model's parameter of that name."""
    if "attnpool" in name:
        return settings.attnpool_rate
    if name.startswith("visual.") or name == "logit_scale":
        return 1.0
    return settings.text_rate


def decays(name: str, parameter: nn.Parameter) -> bool:
    """Only matrices and kernels decay."""
    return parameter.ndim > 1 and "positional" not in name


def make_optimiser(model: nn.Module, head: nn.Module, scale: nn.Parameter, settings: Settings) -> AdamW:
    """Over the model, the letter head and the scale of the units' contrast."""
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        key = (rate_share(name, settings), decays(name, parameter))
        groups.setdefault(key, []).append(parameter)
    groups.setdefault((1.0, False), []).append(scale)
    groups.setdefault((1.0, True), []).extend(head.parameters())
    listed = [
        {"params": parameters, "share": share, "weight_decay": settings.weight_decay * decay}
        for (share, decay), parameters in groups.items()
    ]
    return AdamW(listed, lr=settings.peak_rate, betas=settings.betas, eps=EPSILON, fused=True)
