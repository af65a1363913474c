"""ControlNet on the edges of a photograph: the control network, too, runs at key steps only.

By default on the embedded model with an untrained ControlNet, which shows the work saved and no likeness; with weights:
--model stable-diffusion-v1-5/stable-diffusion-v1-5 --controlnet lllyasviel/control_v11p_sd15_canny
"""

import cv2
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline
from PIL import Image
from sidebyside import compare, options
from skimage import data

import faster_diffusion as fd

parser = options(__doc__, model="scenes", steps=50, output="controlnet_demo.png")
parser.add_argument("--controlnet", help="hub id or folder of a ControlNet for the model")
parser.add_argument("--image", help="a photograph (default: the astronaut of scikit-image)")
parser.add_argument("--prompt", default="a large red sphere on a grey background")
args = parser.parse_args()

if args.model == "scenes":
    base = fd.demo.load()
    torch.manual_seed(0)
    control = ControlNetModel.from_unet(base.unet, conditioning_embedding_out_channels=(16, 32, 64))
    pipe = StableDiffusionControlNetPipeline(**base.components, controlnet=control, requires_safety_checker=False)
    size, guidance = 64, fd.demo.GUIDANCE_SCALE
else:
    control = ControlNetModel.from_pretrained(args.controlnet)
    pipe = StableDiffusionControlNetPipeline.from_pretrained(args.model, controlnet=control)
    size, guidance = 512, 7.5
pipe.to("cuda" if torch.cuda.is_available() else "cpu")

photograph = cv2.imread(args.image)[..., ::-1] if args.image else data.astronaut()
edges = cv2.Canny(cv2.resize(photograph, (size, size), interpolation=cv2.INTER_AREA), 100, 200)
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
