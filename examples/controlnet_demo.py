"""ControlNet on the edges of a picture: the control network, too, runs at key steps only.

By default on the embedded model, with the edges of a rendered scene, in other colours. With weights:
--model stable-diffusion-v1-5/stable-diffusion-v1-5 --controlnet lllyasviel/control_v11p_sd15_canny
"""

import cv2
import numpy as np
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline
from PIL import Image
from sidebyside import compare, options
from skimage import data

import faster_diffusion as fd
from faster_diffusion.demo.scenes import parse, render

parser = options(__doc__, model="scenes-canny", steps=50, output="controlnet_demo.png")
parser.add_argument("--controlnet", help="hub id or folder of a ControlNet for the model")
parser.add_argument("--image", help="a picture (default: a rendered scene, or for other models a photograph)")
parser.add_argument("--prompt", default="a large red sphere left of a small blue cube on a grey background")
args = parser.parse_args()

if args.model == "scenes-canny":
    pipe, size, guidance = fd.demo.load(args.model), 64, fd.demo.GUIDANCE_SCALE
    picture = render(parse("a large green sphere left of a small yellow cube"), np.random.default_rng(0))
else:
    control = ControlNetModel.from_pretrained(args.controlnet)
    pipe = StableDiffusionControlNetPipeline.from_pretrained(args.model, controlnet=control)
    size, guidance, picture = 512, 7.5, data.astronaut()
if args.image:
    picture = cv2.imread(args.image)[..., ::-1]
pipe.to("cuda" if torch.cuda.is_available() else "cpu")

edges = cv2.Canny(cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA), 100, 200)
condition = Image.fromarray(edges).convert("RGB")

compare(
    pipe,
    lambda: [
        condition,
        *pipe(
            args.prompt,
            image=condition,
            num_inference_steps=args.steps,
            guidance_scale=guidance,
            generator=torch.Generator().manual_seed(0),
        ).images,
    ],
    args.output,
)
