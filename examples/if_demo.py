"""DeepFloyd-IF: pixels in three stages, one fd.enable each. By default tiny and untrained, so that it runs anywhere
and draws noise. With weights: --model DeepFloyd/IF-I-XL-v1.0 (the licence has to be accepted on the hub).
"""

import torch
from diffusers import DiffusionPipeline
from diffusers.utils import pt_to_pil
from sidebyside import compare, options
from tiny import WIDTH, cascade

parser = options(__doc__, model="tiny", steps=100, output="if_demo.png")
parser.add_argument("--second", default="DeepFloyd/IF-II-L-v1.0", help="stage II (default: %(default)s)")
parser.add_argument("--third", default="stabilityai/stable-diffusion-x4-upscaler", help="(default: %(default)s)")
parser.add_argument("--prompt", default="a photograph of an astronaut riding a horse")
args = parser.parse_args()
generator = torch.Generator().manual_seed(0)

if args.model == "tiny":
    first, second, third = cascade()
    positive, negative = torch.randn(2, 1, 77, WIDTH, generator=generator)
    last = {"prompt_embeds": positive, "negative_prompt_embeds": negative}
else:
    half = {"torch_dtype": torch.float16, "variant": "fp16"}
    first = DiffusionPipeline.from_pretrained(args.model, **half)
    second = DiffusionPipeline.from_pretrained(args.second, text_encoder=None, **half)
    third = DiffusionPipeline.from_pretrained(args.third, torch_dtype=torch.float16)
    positive, negative = first.encode_prompt(args.prompt)
    last = {"prompt": args.prompt}
if torch.cuda.is_available():
    for pipe in (first, second, third):
        pipe.enable_model_cpu_offload()


def stages():
    """The images of all three, from the same prompt; the paper's shares of steps are 100, 50 and 75."""
    generator.manual_seed(0)
    prompt = {"prompt_embeds": positive, "negative_prompt_embeds": negative, "generator": generator}
    small = first(**prompt, num_inference_steps=args.steps, output_type="pt").images
    middle = second(image=small, **prompt, num_inference_steps=args.steps // 2, output_type="pt").images
    both = [*pt_to_pil(small), *pt_to_pil(middle)]
    large = third(image=both[1], **last, generator=generator, num_inference_steps=args.steps * 3 // 4).images[0]
    return [*both, large]


compare([first, second, third], stages, args.output)
