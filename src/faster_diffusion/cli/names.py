"""What the help of commands lists, known before the library is loaded; the tests compare it with the library's own."""

ARCHITECTURES = "sd15, sd21, sdxl, controlnet, if-1, if-2, if-3, modelscope, svd, animatediff, dit-xl"
SUITES = "quick, cpu, gpu"
MODES = "eager, channels-last, regional, stages, full, graphs, stage-graphs"
METRICS = (
    "call_seconds, network_seconds, flops, peak_memory, psnr, ssim, lpips, fid, kid, fid_real, kid_real, clip_score, "
    "image_reward, obeyed"
)
SOLVERS = (
    "ddim, ddpm, deis, dpm, dpm++, dpm++1, dpm++3, dpm++-sde, dpm++-single, euler, euler-a, heun, kdpm2, kdpm2-a, lms, "
    "pndm, unipc; with -trailing, -karras, -exponential, -beta, -lu, -ays, -ays-xl or -rho4 (any number) where they "
    "have it"
)
KEYS = "5,9,13,25"
PROFILE = ".json"
