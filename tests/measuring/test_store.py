"""The run on disk, killed at any point."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from faster_diffusion import files
from faster_diffusion.measuring import store
from faster_diffusion.measuring.store import Store

ARMS = {"baseline": "baseline", "ours: all of it": "paper+noise"}
PROMPTS = 7


class KilledError(Exception):
    pass


def manifest(**changes):
    prompts = [{"prompt": f"p{number}", "seed": number} for number in range(PROMPTS)]
    return {"model": {"name": "toy"}, "prompts": prompts, "arms": ARMS, "settings": {"steps": 5}, **changes}


def drawn(arm, batch):
    """Images that depend on the whole batch they are drawn in, as rounding does."""
    rng = np.random.default_rng([list(ARMS).index(arm), batch.start, batch.stop])
    return [Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)) for _ in batch]


def run(folder, batch_size):
    """Draws what is missing; gives which batches were."""
    store, batches = Store(folder, manifest(), batch_size), []
    for batch in store.batches:
        for arm in ARMS:
            if not store.done(arm, batch):
                batches.append((arm, batch))
                store.put(arm, batch, drawn(arm, batch), {"images": len(batch)})
    return batches


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Batch size -> the folder of a run that was never stopped."""

    def make(batch_size):
        if batch_size not in made:
            folder = tmp_path_factory.mktemp("whole")
            run(folder, batch_size)
            made[batch_size] = content(folder)
        return made[batch_size]

    made = {}
    return make


@settings(max_examples=25, deadline=None)
@given(
    batch_size=st.integers(1, PROMPTS + 1),
    kills=st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=4),
    lost=st.lists(st.integers(0, 2 * PROMPTS - 1), max_size=3),
)
def test_a_run_killed_at_any_writes_and_robbed_of_images_ends_as_one_never_stopped(
    whole, tmp_path_factory, batch_size, kills, lost
):
    folder, write_whole = tmp_path_factory.mktemp("killed"), files.write_whole
    for writes, half in kills:
        left = iter(range(writes))

        def write(path, content, left=left, half=half):
            if next(left, None) is None:
                if half:
                    path.with_name(f".{path.name}.999999999.part").write_bytes(b"half")
                raise KilledError
            write_whole(path, content)

        with pytest.MonkeyPatch.context() as patch:
            for module in (files, store):  # records and images
                patch.setattr(module, "write_whole", write)
            try:
                run(folder, batch_size)
            except KilledError:
                for image in folder.rglob("0*.png"):
                    Image.open(image).load()
    images = sorted(folder.rglob("0*.png"))
    for number in set(lost) & set(range(len(images))):
        images[number].unlink()
    run(folder, batch_size)
    assert content(folder) == whole(batch_size)
    assert run(folder, batch_size) == []


def test_only_what_is_missing_is_drawn(tmp_path):
    run(tmp_path, 3)
    next(tmp_path.glob("arms/01*/00004.png")).unlink()
    assert run(tmp_path, 3) == [("ours: all of it", range(3, 6))]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"settings": {"steps": 6}}, "settings steps is 6, there 5"),
        ({"settings": {}}, "settings steps is none, there 5"),
        ({"arms": {"baseline": "baseline"}}, 'arms ours: all of it is none, there "paper\\+noise"'),
        ({"arms": {"baseline": "baseline", "ours: all of it": "all"}}, 'ours: all of it is "all", there "paper'),
        ({"prompts": manifest()["prompts"][:3]}, "prompts are 3, there 7"),
        (
            {"prompts": [{"prompt": "other", "seed": 0}, *manifest()["prompts"][1:]]},
            'prompts 1 prompt is "other", there "p0"',
        ),
        ({"prompts": [{"prompt": "x", "seed": n} for n in range(7)]}, ", and 4 more"),
    ],
)
def test_another_run_is_refused_with_what_differs(tmp_path, changes, said):
    run(tmp_path, 3)
    before = content(tmp_path)
    with pytest.raises(ValueError, match=f"holds another evaluation: .*{said}"):
        Store(tmp_path, manifest(**changes), 3)
    assert content(tmp_path) == before


def test_more_arms_and_more_prompts_go_on_with_what_is_there(tmp_path):
    run(tmp_path, 3)
    before = content(tmp_path)
    more = [*manifest()["prompts"], {"prompt": "one more", "seed": 9}]
    grown = Store(tmp_path, manifest(arms={"new": "all", **ARMS}, prompts=more), 3)
    undone = {arm: [batch for batch in grown.batches if not grown.done(arm, batch)] for arm in ("new", *ARMS)}
    assert undone["new"] == grown.batches
    assert undone["baseline"] == undone["ours: all of it"] == [range(6, 8)]  # the last batch was shorter
    after = content(tmp_path)
    assert all(after[path] == whole for path, whole in before.items() if path.name != "manifest.json")


def test_what_was_not_all_of_it_is_not_gone_on_with(tmp_path):
    run(tmp_path, 3)
    Store(tmp_path, manifest(arms={**ARMS, "new": "all"}), 3)
    with pytest.raises(ValueError, match='arms new is none, there "all"'):
        Store(tmp_path, manifest(), 3)


@pytest.mark.parametrize("name", ["00004.png", "batch-00003.json"])
def test_a_torn_file_is_drawn_anew_and_no_other(tmp_path, name):
    run(tmp_path, 3)
    whole = content(tmp_path)
    (path,) = tmp_path.glob(f"arms/01*/{name}")
    path.write_bytes(path.read_bytes()[:-5])
    assert run(tmp_path, 3) == [("ours: all of it", range(3, 6))]
    assert content(tmp_path) == whole


def test_a_torn_manifest_is_named(tmp_path):
    run(tmp_path, 3)
    (tmp_path / "manifest.json").write_text('{"arms": ')
    with pytest.raises(ValueError, match="manifest.json is broken, so that nothing tells what the folder holds"):
        Store(tmp_path, manifest(), 3)


def test_a_run_of_an_earlier_version_which_called_the_baseline_untouched_is_gone_on_with(tmp_path):
    run(tmp_path, 3)
    whole = content(tmp_path)
    (tmp_path / "arms" / "00-baseline").rename(tmp_path / "arms" / "00-untouched")
    path = tmp_path / "manifest.json"
    path.write_text(path.read_text().replace("baseline", "untouched"))
    assert run(tmp_path, 3) == []
    assert content(tmp_path) == whole


def test_arms_of_any_name_have_folders_of_their_own(tmp_path):
    arms = {"a/b": "paper", "a b": "paper", "../x": "noise"}
    store = Store(tmp_path, manifest(arms=arms), 1)
    for arm in arms:
        store.put(arm, range(1), drawn("baseline", range(1)), {})
    assert len(list(tmp_path.glob("arms/*/00000.png"))) == 3
