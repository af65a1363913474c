"""Text to video. By default the embedded model for it, eight frames; --model takes another text-to-video pipeline, such
as damo-vilab/text-to-video-ms-1.7b, or with --zero an image model, such as scenes or Stable Diffusion 1.5, which draws
videos by Text2Video-Zero.
"""

import numpy as np
import torch
from diffusers import DiffusionPipeline, TextToVideoZeroPipeline
from diffusers.utils import numpy_to_pil
from sidebyside import compare, options

import faster_diffusion as fd

parser = options(__doc__, model="scenes-video", steps=50, output="text2video_demo.png")
parser.add_argument("--zero", action="store_true", help="the model draws images: make videos by Text2Video-Zero")
parser.add_argument("--frames", type=int, default=8, help="(default: %(default)s)")
parser.add_argument("--prompt", default="a large red sphere rolls to the right on a grey background")
args = parser.parse_args()

call = {"prompt": args.prompt, "num_inference_steps": args.steps, "output_type": "np"}
if args.model in fd.demo.available():
    pipe = fd.demo.load(args.model)
    call["guidance_scale"] = fd.demo.GUIDANCE_SCALE
else:
    pipe = DiffusionPipeline.from_pretrained(args.model)
if args.zero:
    pipe = TextToVideoZeroPipeline.from_pipe(pipe, requires_safety_checker=False)
pipe.to("cuda" if torch.cuda.is_available() else "cpu")

if isinstance(pipe, TextToVideoZeroPipeline):
    t0, t1 = args.steps * 44 // 50, args.steps * 47 // 50  # the defaults, which are of 50 steps
    call |= {"video_length": args.frames, "t0": t0, "t1": t1}
else:
    call["num_frames"] = args.frames


def frames():
    made = pipe(**call, generator=torch.Generator().manual_seed(0))
    video = made.images if isinstance(pipe, TextToVideoZeroPipeline) else made.frames[0]
    return numpy_to_pil(np.stack(list(video)))


compare(pipe, frames, args.output)
