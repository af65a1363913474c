"""DeepFloyd-IF: pixels in stages, one fd.enable each. By default the embedded cascade, of 32 and then 64 pixels a side.
With the weights of DeepFloyd-IF, all three: --model DeepFloyd/IF-I-XL-v1.0 (the licence has to be accepted on the hub).
"""

import torch
from diffusers import DiffusionPipeline
from diffusers.utils import pt_to_pil
from sidebyside import compare, options

import faster_diffusion as fd

parser = options(__doc__, model="scenes-if-1", steps=100, output="if_demo.png")
parser.add_argument("--second", default="DeepFloyd/IF-II-L-v1.0", help="stage II (default: %(default)s)")
parser.add_argument("--third", default="stabilityai/stable-diffusion-x4-upscaler", help="(default: %(default)s)")
parser.add_argument("--prompt", help="(default: one that the model understands)")
args = parser.parse_args()
embedded = args.model == "scenes-if-1"
known = "a large red sphere on a grey background" if embedded else "a photograph of an astronaut riding a horse"
prompt = args.prompt or known

if embedded:
    first, second, third = fd.demo.load(args.model), fd.demo.load("scenes-if-2"), None
    guidance = {"guidance_scale": fd.demo.GUIDANCE_SCALE}
else:
    half = {"torch_dtype": torch.float16, "variant": "fp16"}
    first = DiffusionPipeline.from_pretrained(args.model, **half)
    second = DiffusionPipeline.from_pretrained(args.second, text_encoder=None, **half)
    third = DiffusionPipeline.from_pretrained(args.third, torch_dtype=torch.float16)
    guidance = {}
pipes = [pipe for pipe in (first, second, third) if pipe]
if torch.cuda.is_available():
    for pipe in pipes:
        pipe.enable_model_cpu_offload()
positive, negative = first.encode_prompt(prompt)


def stages():
    """The images of all stages, from the same prompt; the paper's shares of steps are 100, 50 and 75."""
    generator = torch.Generator().manual_seed(0)
    call = {"prompt_embeds": positive, "negative_prompt_embeds": negative, "generator": generator, **guidance}
    small = first(**call, num_inference_steps=args.steps, output_type="pt").images
    middle = second(image=small, **call, num_inference_steps=args.steps // 2, output_type="pt").images
    images = [*pt_to_pil(small), *pt_to_pil(middle)]
    if third:
        last = {"prompt": prompt, "generator": generator, "num_inference_steps": args.steps * 3 // 4}
        images += third(image=images[1], **last).images
    return images


compare(pipes, stages, args.output)
