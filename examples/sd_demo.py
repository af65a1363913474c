"""Stable Diffusion, original and accelerated. Without --model, on the embedded one: no download, a few seconds."""

import torch
from diffusers import DiffusionPipeline
from sidebyside import compare, options

import faster_diffusion as fd

parser = options(__doc__, model="scenes", steps=50, output="sd_demo.png")
parser.add_argument("--prompt", nargs="+", default=["a large red sphere left of a small blue cube"])
args = parser.parse_args()

if args.model == "scenes":
    pipe, guidance = fd.demo.load(), fd.demo.GUIDANCE_SCALE
else:
    pipe, guidance = DiffusionPipeline.from_pretrained(args.model), 7.5
pipe.to("cuda" if torch.cuda.is_available() else "cpu")

compare(
    pipe,
    lambda: (
        pipe(
            args.prompt,
            num_inference_steps=args.steps,
            guidance_scale=guidance,
            generator=[torch.Generator().manual_seed(seed) for seed in range(len(args.prompt))],
        ).images
    ),
    args.output,
)
