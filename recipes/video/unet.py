"""The video UNet: that of the scenes model with layers over time, which start as if they were not there."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline, UNet3DConditionModel
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextModel

from ..noising import add_noise, draw_noise, draw_times, noise_error
from ..scenes.unet import scheduler, tokenise
from ..training import Plan, captured, load_average, on_device, share, train, wide

PLAN = Plan(steps=2000, learning_rate=7e-4, warmup=100, ema=0.995, save_every=100)
PAIRS = 2  # in a batch: a clip, and the same backwards, under the same noise, so that they differ by the motion alone
LOUD = 0.5  # of convolutions over time at the start: by the ends they tell frames from one another, as motions need
HEAD = 16  # width; this class has one for all levels, so that heads are not quite those of the image model
UNPROMPTED = 0.1  # share of captions dropped, for classifier-free guidance
EARLY = 0.35  # power of the share of the run: most times early, where motions are decided; the rest is mostly known


def build(image: StableDiffusionPipeline) -> UNet3DConditionModel:
    """A UNet with all that it can take from the image model's."""
    torch.manual_seed(11)
    config = image.unet.config
    unet = UNet3DConditionModel(
        sample_size=config.sample_size,
        block_out_channels=config.block_out_channels,
        layers_per_block=config.layers_per_block,
        cross_attention_dim=config.cross_attention_dim,
        norm_num_groups=config.norm_num_groups,
        down_block_types=[name.replace("2D", "3D") for name in config.down_block_types],
        up_block_types=[name.replace("2D", "3D") for name in config.up_block_types],
        attention_head_dim=HEAD,
    )
    drawn, weights = image.unet.state_dict(), unet.state_dict()
    # What projects into attention is a 1x1 convolution there and a linear layer here.
    unet.load_state_dict({**weights, **{name: weight.view_as(weights[name]) for name, weight in drawn.items()}})
    for name, part in unet.named_modules():
        if "temp_convs." in name and isinstance(part, nn.Conv3d) and not part.weight.any():
            part.reset_parameters()
            with torch.no_grad():
                part.weight.mul_(LOUD)
    over_time = [unet.transformer_in, *(part for name, part in unet.named_modules() if _attends_over_time(name))]
    for part in over_time:
        nn.init.zeros_(part.proj_out.weight)
        nn.init.zeros_(part.proj_out.bias)
    return unet.eval()  # without dropout: what it draws would not be a function of the step


def _attends_over_time(name: str) -> bool:
    return "temp_attentions." in name and name.rsplit(".", 1)[1].isdigit() and "transformer_blocks" not in name


def fit(
    image: StableDiffusionPipeline,
    text: CLIPTextModel,
    latents: Tensor,
    tokens: Tensor,
    folder: Path,
    plan: Plan = PLAN,
    watch=None,
) -> UNet3DConditionModel:
    """Train on scaled latents (N, 4, frames, 16, 16) and captions as tokens (N, variants, 32).

    The second half is the same clips as the first, backwards.
    """
    unet, text, latents = on_device(build(image)), on_device(text), on_device(latents)
    alphas = on_device(scheduler().alphas_cumprod)
    states, empty = read(text, tokens.flatten(0, 1)).unflatten(0, tokens.shape[:2]), read(text, tokenise([""]))
    forwards, pairs = len(latents) // 2, wide(PAIRS)
    flatten_convolutions(unet)
    first = share(torch.zeros(2 * pairs, dtype=torch.long))
    predict = captured(unet, sample=latents[first], timestep=first, encoder_hidden_states=states[first, 0])

    def loss(step: int, generator: torch.Generator) -> Tensor:
        rows = torch.randint(forwards, (pairs,), generator=generator)
        rows = torch.cat([rows, forwards + rows])
        times = draw_times(pairs, len(alphas), generator, EARLY).repeat(2)
        noise = draw_noise((pairs, *latents.shape[1:]), generator).repeat(2, 1, 1, 1, 1)
        way = torch.randint(tokens.shape[1], (len(rows),), generator=generator)
        unprompted = torch.rand(len(rows), generator=generator) < UNPROMPTED
        rows, times, noise, way, unprompted = map(share, (rows, times, noise, way, unprompted))

        noisy = add_noise(latents[rows], noise, alphas[times])
        said = torch.where(unprompted[:, None, None], empty, states[rows, way])
        return noise_error(predict(noisy, times, said), noise, alphas[times])

    return train(unet, loss, plan, folder, "unet", watch).eval().requires_grad_(False)


@torch.no_grad()
def read(text: CLIPTextModel, tokens: Tensor, batch: int = 500) -> Tensor:
    """What the text tower says of tokens (N, 32): states (N, 32, width)."""
    return torch.cat([text(on_device(part)).last_hidden_state for part in tokens.split(batch)])


def flatten_convolutions(unet: nn.Module) -> None:
    """Let convolutions over time alone run as those of a picture, frames by pixels: a CPU is far faster at that."""
    for part in unet.modules():
        if isinstance(part, nn.Conv3d) and part.kernel_size[1:] == (1, 1):
            part.forward = partial(_as_picture, part)


def _as_picture(part: nn.Conv3d, x: Tensor) -> Tensor:
    flat = F.conv2d(x.flatten(3), part.weight.flatten(3), part.bias, padding=(part.padding[0], 0))
    return flat.unflatten(3, x.shape[3:])


def load(image: StableDiffusionPipeline, folder: Path) -> UNet3DConditionModel:
    """The UNet of a checkpoint, finished or not."""
    return load_average(build(image), folder / "unet.pt").eval().requires_grad_(False)
