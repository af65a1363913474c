"""Which stage ran when."""

import json
from types import SimpleNamespace

import pytest
import torch

import faster_diffusion as fd
from faster_diffusion.analysis.timeline import CALL, Timeline, chrome_trace, record
from faster_diffusion.models.stages import stage_names
from faster_diffusion.options.reuse import Reuse
from specimens import toys

KEYS = [0, 4]


@pytest.fixture
def pipe():
    return toys.stable_diffusion()


def timeline(pipe, reuse="encoder", **options):
    """Of a run of ten steps, accelerated if options are given."""

    def recorded(title):
        split = Reuse.parse(reuse).split(pipe.unet)
        return record(pipe, pipe.unet, lambda: toys.sample(pipe, output_type="pt"), title, split)

    if not options:
        return recorded("baseline")
    with fd.enable(pipe, key_steps=KEYS, reuse=reuse, **options):
        return recorded("accelerated")


def calls(timeline):
    return [(call.step, call.kind, call.steps) for call in timeline.calls]


def test_baseline_every_step_runs_encoder_and_decoder(pipe):
    baseline = timeline(pipe)
    assert calls(baseline) == [(step, "key", 1) for step in range(10)]
    encoder, decoder = stage_names(pipe.unet)
    for step in range(10):
        assert [span.name for span in baseline.spans if span.step == step] == [CALL, *encoder, *decoder]


def test_in_parallel_a_key_step_decodes_a_batch_that_answers_the_steps_after_it(pipe):
    answered = [(step, "answered", 1) for step in range(10)]
    expected = [(0, "key", 4), *answered[1:4], (4, "key", 6), *answered[5:]]
    accelerated = timeline(pipe, parallel=True)
    assert calls(accelerated) == expected
    encoder, decoder = stage_names(pipe.unet)
    ran = {(span.name, span.steps) for span in accelerated.spans if span.step == 4 and span.name != CALL}
    assert ran == {(name, 1) for name in encoder} | {(name, 6) for name in decoder}


def test_one_by_one_the_decoder_alone_runs_at_steps_that_are_not_key(pipe):
    sequential = timeline(pipe, parallel=False)
    assert calls(sequential) == [(step, "key" if step in KEYS else "reused", 1) for step in range(10)]
    assert [span.name for span in sequential.spans if span.step == 1] == [CALL, *stage_names(pipe.unet)[1]]


def test_batches_that_are_capped_follow_one_another(pipe):
    kinds = calls(timeline(pipe, parallel=3))
    assert [call for call in kinds if call[1] != "answered"] == [
        *((0, "key", 3), (3, "reused", 1)),
        *((4, "key", 3), (7, "reused", 3)),
    ]


@pytest.mark.parametrize("reuse", ["deep:1", "deep:2"])
def test_where_the_latent_is_read_a_part_of_encoder_and_decoder_runs_at_every_step(pipe, reuse):
    accelerated = timeline(pipe, reuse, parallel=True)
    assert calls(accelerated) == [(step, "key" if step in KEYS else "reused", 1) for step in range(10)]
    ran = [span.name for span in accelerated.spans if span.step == 1]
    assert ran[:2] == [CALL, "conv_in"]
    assert ran[-1] == "up_blocks.3"
    assert "mid_block" not in ran


def test_a_block_of_the_decoder_that_is_reused_runs_for_one_step(pipe):
    accelerated = timeline(pipe, "decoder:1", parallel=True)
    steps = {span.name: span.steps for span in accelerated.spans if span.step == 4}
    assert (steps["mid_block"], steps["up_blocks.0"], steps["up_blocks.1"]) == (1, 1, 6)


def test_where_the_prediction_is_forecast_nothing_runs_and_nothing_is_batched(pipe):
    forecast = timeline(pipe, "output", forecast=1)
    assert calls(forecast) == [(step, "key" if step in KEYS else "answered", 1) for step in range(10)]


def test_stages_lie_within_their_network_call_and_calls_within_the_run(pipe):
    accelerated = timeline(pipe, parallel=True)
    by_step = {call.step: call for call in accelerated.calls}
    for span in accelerated.spans:
        assert 0 <= span.start <= span.start + span.seconds <= accelerated.seconds
        if span.step is not None:
            call = by_step[span.step]
            assert call.start <= span.start
            assert span.start + span.seconds <= call.start + call.seconds
    stages = sum(accelerated.seconds_of(row) for row in accelerated.rows if row not in (CALL, "vae.decoder"))
    assert 0 < stages < accelerated.seconds_of(CALL)


def test_other_modules_of_the_pipeline_have_rows_too(pipe):
    baseline = timeline(pipe)
    assert baseline.rows[-2:] == ("vae.decoder", CALL)
    (decoded,) = (span for span in baseline.spans if span.name == "vae.decoder")
    assert (decoded.step, decoded.kind) == (None, None)


def test_a_step_of_two_calls_is_one_step(pipe):
    network, scheduler = pipe.unet, pipe.scheduler
    scheduler.set_timesteps(6)
    x, texts = torch.zeros(1, 4, 16, 16), torch.randn(2, *toys.TEXT)

    @torch.no_grad()
    def sample():
        with handle.sampling(scheduler.timesteps):
            for t in scheduler.timesteps:
                for text in texts:
                    network(x, t, text)

    with fd.enable(network, key_steps=[0, 2], prior_noise=None) as handle:
        split = Reuse().split(network)
        timeline = record(SimpleNamespace(components={}), network, sample, "two calls", split, calls_a_step=2)
    assert calls(timeline)[:4] == [(0, "key", 2), (0, "key", 2), (1, "answered", 1), (1, "answered", 1)]
    assert calls(timeline)[4:6] == [(2, "key", 4)] * 2


def test_the_trace_of_chrome_has_every_span_on_a_named_row(pipe):
    runs = (timeline(pipe), timeline(pipe, parallel=True))
    trace = json.loads(json.dumps(chrome_trace(runs)))
    events = trace["traceEvents"]
    processes = {event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"}
    assert processes == {0: "baseline", 1: "accelerated"}
    rows = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}
    for number, run in enumerate(runs):
        complete = [event for event in events if event["ph"] == "X" and event["pid"] == number]
        assert [rows[number, event["tid"]] for event in complete] == [span.name for span in run.spans]
        assert [event["ts"] / 1e6 for event in complete] == pytest.approx([span.start for span in run.spans])
        assert [event["dur"] / 1e6 for event in complete] == pytest.approx([span.seconds for span in run.spans])
    assert {event["ph"] for event in events} == {"X", "M"}


def test_no_hook_stays(pipe):
    timeline(pipe)
    modules = [*pipe.unet.modules(), *pipe.vae.modules()]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in modules)


def test_it_becomes_a_dictionary_of_plain_values(pipe):
    baseline = timeline(pipe)
    made = json.loads(json.dumps(baseline.to_dict()))
    assert isinstance(baseline, Timeline)
    assert len(made["spans"]) == len(baseline.spans)
    assert made["seconds_by_row"][CALL] == pytest.approx(baseline.seconds_of(CALL))
