"""What a run says of itself."""

import faster_diffusion as fd
from specimens import toys


def test_flops_of_the_baseline_are_still_there_by_their_former_name():
    pipe = toys.stable_diffusion()
    with fd.enable(pipe) as handle:
        toys.sample(pipe)
    summary = handle.summary()
    assert summary.flops_untouched == summary.flops_baseline > summary.flops
    assert summary.to_dict()["flops_untouched"] == summary.to_dict()["flops_baseline"] == summary.flops_baseline
