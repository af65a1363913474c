"""A personalised model: Custom Diffusion, textual inversion, LoRA, loaded before or after enabling.

By default an embedded one that was taught a colour, by Custom Diffusion; scenes-beside ("a red cube <beside> a blue
ring") was taught a relation, as a word. With weights:
--model stable-diffusion-v1-5/stable-diffusion-v1-5 --embedding sd-concepts-library/cat-toy --prompt "a <cat-toy>"
"""

import torch
from diffusers import StableDiffusionPipeline
from sidebyside import compare, options

import faster_diffusion as fd

parser = options(__doc__, model="scenes-mint", steps=50, output="personalised_demo.png")
parser.add_argument("--embedding", help="hub id, folder or file of a textual inversion")
parser.add_argument("--lora", help="hub id, folder or file of a LoRA")
parser.add_argument("--prompt", default="a large <mint> ring on a grey background")
args = parser.parse_args()

if args.model in fd.demo.available():
    pipe, guidance = fd.demo.load(args.model), fd.demo.GUIDANCE_SCALE
else:
    pipe, guidance = StableDiffusionPipeline.from_pretrained(args.model), 7.5
if args.embedding:
    pipe.load_textual_inversion(args.embedding)
if args.lora:
    pipe.load_lora_weights(args.lora)
pipe.to("cuda" if torch.cuda.is_available() else "cpu")

compare(
    pipe,
    lambda: (
        pipe(
            [args.prompt] * 2,
            num_inference_steps=args.steps,
            guidance_scale=guidance,
            generator=[torch.Generator().manual_seed(seed) for seed in (0, 1)],
        ).images
    ),
    args.output,
    key_steps="dreambooth",
)
