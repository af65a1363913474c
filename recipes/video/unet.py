"""The video UNet: that of the scenes model with layers over time, which start as if they were not there."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet3DConditionModel
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextModel

from ..noising import add_noise, draw_times, velocity
from ..scenes.unet import scheduler as scheduler_of_pictures
from ..scenes.unet import tokenise
from ..training import TrainingPlan, captured, load_average, on_device, place, share, train, wide

PLAN = TrainingPlan(steps=2000, learning_rate=6e-4, warmup=100, ema=0.995, save_every=100)
PAIRS = 2  # in a batch: a clip, and the same backwards, under the same noise, so that they differ by the motion alone
LOUD = 0.5  # of convolutions over time at the start: by the ends they tell frames from one another, as motions need
HEAD = 16  # width; this class has one for all levels, so that heads are not quite those of the image model
UNPROMPTED = 0.1  # share of captions dropped, for classifier-free guidance
EARLY = 0.45  # power of the share of the run: most times early, where motions are decided; the rest is mostly known
NOISIEST = (0.03, 0.25)  # of the run, and the share of pairs from there: only the prompt tells which way their clips go
APART = 2.0  # weight of the error in what the clips of a pair differ by, against that in what they have in common


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


def scheduler() -> DDIMScheduler:
    """The image model's, but from noise alone, and so for velocity, as such noise says nothing of itself.

    In as little of a clip as the image model's schedule leaves at its end, the way that it goes still shows: a
    network would never learn to read that in the prompt.
    """
    return DDIMScheduler.from_config(
        scheduler_of_pictures().config,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
    )


def fit(
    unet: UNet3DConditionModel,
    text: CLIPTextModel,
    latents: Tensor,
    tokens: Tensor,
    folder: Path,
    plan: TrainingPlan = PLAN,
    watch=None,
) -> UNet3DConditionModel:
    """Train a UNet on scaled latents (N, 4, frames, 16, 16) and captions as tokens (N, variants, 32).

    The second half is the same clips as the first, backwards.
    """
    unet, text, latents = on_device(unet), on_device(text), on_device(latents)
    alphas = on_device(scheduler().alphas_cumprod)
    states, empty = read(text, tokens.flatten(0, 1)).unflatten(0, tokens.shape[:2]), read(text, tokenise([""]))
    forwards, pairs = len(latents) // 2, wide(PAIRS)
    if pairs % place()[1]:
        raise ValueError(f"{pairs} pairs of clips cannot be shared by {place()[1]} processes; --wider makes more.")
    flatten_convolutions(unet)
    first = share(torch.zeros(2 * pairs, dtype=torch.long))
    predict = captured(unet, sample=latents[first], timestep=first, encoder_hidden_states=states[first, 0])

    def loss(step: int, generator: torch.Generator) -> Tensor:
        rows = torch.randint(forwards, (pairs,), generator=generator)
        rows = torch.cat([rows, forwards + rows])
        times = _draw_times(pairs, len(alphas), generator).repeat(2)
        noise = torch.randn((pairs, *latents.shape[1:]), generator=generator).repeat(2, 1, 1, 1, 1)
        way = torch.randint(tokens.shape[1], (len(rows),), generator=generator)
        unprompted = torch.rand(pairs, generator=generator).repeat(2) < UNPROMPTED
        rows, times, noise, way, unprompted = map(share, (rows, times, noise, way, unprompted))

        noisy = add_noise(latents[rows], noise, alphas[times])
        said = torch.where(unprompted[:, None, None], empty, states[rows, way])
        error = predict(noisy, times, said) - velocity(latents[rows], noise, alphas[times])
        forth, back = error.chunk(2)
        return ((forth + back) / 2).square().mean() + APART * ((forth - back) / 2).square().mean()

    return train(unet, loss, plan, folder, "unet", watch).eval().requires_grad_(False)


def _draw_times(pairs: int, steps: int, generator: torch.Generator) -> Tensor:
    part, often = NOISIEST
    times = draw_times(pairs, steps, generator, EARLY)
    noisiest = steps - 1 - (part * steps * torch.rand(pairs, generator=generator)).long()
    return torch.where(torch.rand(pairs, generator=generator) < often, noisiest, times)


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


def load(unet: UNet3DConditionModel, folder: Path) -> UNet3DConditionModel:
    """This UNet with the weights of a checkpoint, finished or not."""
    return load_average(unet, folder / "unet.pt").eval().requires_grad_(False)
