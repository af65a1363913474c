"""A personalised model: textual inversion and LoRA, loaded before or after enabling.

By default on the embedded model with a word of its own, <plum>, whose embedding lies between two colours. With weights:
--model stable-diffusion-v1-5/stable-diffusion-v1-5 --embedding sd-concepts-library/cat-toy --prompt "a <cat-toy>"
"""

import torch
from diffusers import StableDiffusionPipeline
from sidebyside import compare, options

import faster_diffusion as fd

parser = options(__doc__, model="scenes", steps=50, output="personalised_demo.png")
parser.add_argument("--embedding", help="hub id, folder or file of a textual inversion")
parser.add_argument("--lora", help="hub id, folder or file of a LoRA")
parser.add_argument("--prompt", default="a large <plum> sphere right of a small green cube on a white background")
args = parser.parse_args()

if args.model == "scenes":
    pipe, guidance = fd.demo.load(), fd.demo.GUIDANCE_SCALE
    words = pipe.text_encoder.get_input_embeddings().weight
    purple, pink = pipe.tokenizer.convert_tokens_to_ids(["purple</w>", "pink</w>"])
    pipe.load_textual_inversion({"<plum>": (words[purple] + words[pink]).detach() / 2})
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
