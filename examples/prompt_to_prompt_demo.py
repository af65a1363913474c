"""Prompt-to-Prompt: an image and its edits by prompt, original and accelerated. By default on the embedded model."""

import torch
from diffusers import StableDiffusionPipeline
from sidebyside import compare, options

import faster_diffusion as fd
from faster_diffusion.tasks import PromptToPrompt

SCENES = [
    f"a large {colour} cube left of a small green ring on a grey background" for colour in ("red", "blue", "yellow")
]
PHOTOS = [f"a photo of a {animal} on a wooden chair" for animal in ("cat", "dog", "lion")]

parser = options(__doc__, model="scenes", steps=50, output="prompt_to_prompt.png")
parser.add_argument("--prompts", nargs="+", help="the source prompt, then edited ones")
parser.add_argument("--kind", default="replace", choices=["replace", "refine"], help="swap words, or add some")
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

if args.model == "scenes":
    pipe, guidance, prompts = fd.demo.load(), fd.demo.GUIDANCE_SCALE, SCENES
else:
    pipe, guidance, prompts = StableDiffusionPipeline.from_pretrained(args.model), 7.5, PHOTOS
pipe.to("cuda" if torch.cuda.is_available() else "cpu")

edit = PromptToPrompt(pipe, args.prompts or prompts, kind=args.kind)
compare(
    pipe,
    lambda: edit(
        num_inference_steps=args.steps,
        guidance_scale=guidance,
        generator=torch.Generator().manual_seed(args.seed),
    ),
    args.output,
    parallel=False,  # attention looks across the batch, so steps are decoded one by one in any case
)
