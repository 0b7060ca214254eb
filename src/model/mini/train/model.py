"""OpenAI's ResNet CLIP, small, with exactly its module layout and state-dict names.

Readable against OpenAI's `clip/model.py`.
"""

from collections import OrderedDict
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

QUICK_GELU_SLOPE = 1.702
HEAD_CHANNELS = 64  # OpenAI: one attention-pool head for every 64 channels
FIRST_LOGIT_SCALE = 3.0  # exp = 20: a compromise between CLIP's 14 and the 29 that v2 ended with


@dataclass(frozen=True)
class Config:
    """Everything that fixes the tensors' shapes."""

    embed_dim: int = 128
    image_resolution: int = 64
    vision_layers: tuple[int, ...] = (1, 2, 3, 1)
    vision_width: int = 24
    context_length: int = 24
    vocab_size: int = 2048
    transformer_width: int = 128
    transformer_heads: int = 2
    transformer_layers: int = 2

    @property
    def last_channels(self) -> int:
        """Units of the last block (`layer4`)."""
        return 32 * self.vision_width

    @property
    def vision_heads(self) -> int:
        return self.last_channels // HEAD_CHANNELS

    def as_dict(self) -> dict:
        return {**asdict(self), "vision_layers": list(self.vision_layers)}


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1; a stride is an average pool, in the branch and in the shortcut."""

    def __init__(self, channels: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        out = planes * 4
        self.conv1 = nn.Conv2d(channels, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.avgpool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.conv3 = nn.Conv2d(planes, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.downsample = None
        if stride > 1 or channels != out:
            shortcut = [
                ("-1", nn.AvgPool2d(stride)),
                ("0", nn.Conv2d(channels, out, 1, bias=False)),
                ("1", nn.BatchNorm2d(out)),
            ]
            self.downsample = nn.Sequential(OrderedDict(shortcut))

    def forward(self, x: Tensor) -> Tensor:
        # The in-place ReLUs save a tensor each: about a tenth of a step's time on a CPU.
        y = F.relu_(self.bn1(self.conv1(x)))
        y = F.relu_(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(self.avgpool(y)))
        return F.relu_(y + (x if self.downsample is None else self.downsample(x)))


class AttentionPool2d(nn.Module):
    """The mean position asks all positions; its answer is the picture's embedding."""

    def __init__(self, side: int, channels: int, heads: int, out: int) -> None:
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.randn(side**2 + 1, channels) / channels**0.5)
        self.k_proj = nn.Linear(channels, channels)
        self.q_proj = nn.Linear(channels, channels)
        self.v_proj = nn.Linear(channels, channels)
        self.c_proj = nn.Linear(channels, out)
        self.heads = heads
        for layer in (self.k_proj, self.q_proj, self.v_proj, self.c_proj):
            nn.init.normal_(layer.weight, std=channels**-0.5)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(2).permute(0, 2, 1)
        x = torch.cat([x.mean(1, keepdim=True), x], 1) + self.positional_embedding
        batch, _, channels = x.shape
        split = lambda y: y.view(batch, -1, self.heads, channels // self.heads).transpose(1, 2)
        query, key, value = split(self.q_proj(x[:, :1])), split(self.k_proj(x)), split(self.v_proj(x))
        weights = (query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5).softmax(-1)
        return self.c_proj((weights @ value).transpose(1, 2).reshape(batch, channels))


class ModifiedResNet(nn.Module):
    """Three-convolution stem, four stages of bottlenecks, attention pool."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config.vision_width
        self.conv1 = nn.Conv2d(3, width // 2, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width // 2)
        self.conv2 = nn.Conv2d(width // 2, width // 2, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width // 2)
        self.conv3 = nn.Conv2d(width // 2, width, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        planes = [width, width * 2, width * 4, width * 8]
        inputs = [width, *(4 * p for p in planes)]
        for i, (count, p) in enumerate(zip(config.vision_layers, planes)):
            blocks = [Bottleneck(inputs[i], p, stride=1 if i == 0 else 2)]
            blocks += [Bottleneck(4 * p, p) for _ in range(1, count)]
            self.add_module(f"layer{i + 1}", nn.Sequential(*blocks))
        side = config.image_resolution // 32
        self.attnpool = AttentionPool2d(side, config.last_channels, config.vision_heads, config.embed_dim)
        for name, parameter in self.named_parameters():
            if name.startswith("layer") and name.endswith("bn3.weight"):
                nn.init.zeros_(parameter)

    def stem(self, x: Tensor) -> Tensor:
        x = F.relu_(self.bn1(self.conv1(x)))
        x = F.relu_(self.bn2(self.conv2(x)))
        return F.avg_pool2d(F.relu_(self.bn3(self.conv3(x))), 2)

    def third(self, x: Tensor) -> Tensor:
        """Up to the third stage's output."""
        return self.layer3(self.layer2(self.layer1(self.stem(x))))

    def trunk(self, x: Tensor) -> Tensor:
        """Up to the last block's output, the units that are looked at."""
        return self.layer4(self.third(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.attnpool(self.trunk(x))


class QuickGELU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(QUICK_GELU_SLOPE * x)


class ResidualAttentionBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_1 = nn.LayerNorm(width)
        mlp = [
            ("c_fc", nn.Linear(width, width * 4)),
            ("gelu", QuickGELU()),
            ("c_proj", nn.Linear(width * 4, width)),
        ]
        self.mlp = nn.Sequential(OrderedDict(mlp))
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=mask)[0]
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    def __init__(self, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.resblocks = nn.Sequential(*[ResidualAttentionBlock(width, heads) for _ in range(layers)])
        for block in self.resblocks:
            nn.init.normal_(block.attn.in_proj_weight, std=width**-0.5)
            nn.init.normal_(block.attn.out_proj.weight, std=width**-0.5 * (2 * layers) ** -0.5)
            nn.init.normal_(block.mlp.c_fc.weight, std=(2 * width) ** -0.5)
            nn.init.normal_(block.mlp.c_proj.weight, std=width**-0.5 * (2 * layers) ** -0.5)


class CLIP(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        width = config.transformer_width
        self.visual = ModifiedResNet(config)
        self.transformer = Transformer(width, config.transformer_layers, config.transformer_heads)
        self.token_embedding = nn.Embedding(config.vocab_size, width)
        self.positional_embedding = nn.Parameter(torch.randn(config.context_length, width) * 0.01)
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.randn(width, config.embed_dim) * width**-0.5)
        self.logit_scale = nn.Parameter(torch.tensor(FIRST_LOGIT_SCALE))
        nn.init.normal_(self.token_embedding.weight, std=0.02)

    def embed_tokens(self, ids: Tensor) -> Tensor:
        return self.token_embedding(ids) + self.positional_embedding[: ids.shape[1]]

    def encode_text(self, ids: Tensor) -> Tensor:
        """Pooled at the largest id, the end of the text."""
        x, mask = self.embed_tokens(ids), causal_mask(ids.shape[1]).to(ids.device)
        for block in self.transformer.resblocks:
            x = block(x, mask)
        return self.ln_final(x)[torch.arange(len(ids), device=ids.device), ids.argmax(-1)] @ self.text_projection


def causal_mask(length: int) -> Tensor:
    return torch.full((length, length), float("-inf")).triu_(1)


def build(config: Config) -> CLIP:
    """A new model, its convolutions in the memory layout that CPUs are fastest with."""
    model = CLIP(config)
    model.visual.to(memory_format=torch.channels_last)
    return model
