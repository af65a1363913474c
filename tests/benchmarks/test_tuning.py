"""The page on tuning says what was measured."""

import json

from benchmarks import tuning
from faster_diffusion.tuning import Tuning
from tests.tuning.test_levels import POINTS


def test_its_tables_are_made_from_the_raw_results():
    text = tuning.PAGE.read_text()
    assert "<!-- tunings -->" in text
    assert tuning.filled(text) == text


def test_a_section_is_made_of_a_tuning(tmp_path, monkeypatch):
    settings = {
        "settings": {"guidance": 2.5, "steps": [50]},
        "reference": "ddim:250",
        "prompts": {"calibration": 2, "held-out": 2},
        "timed": {"images": 1, "rounds": 2},
    }
    machine = {
        "gpu": "a GPU",
        "processor": "",
        "torch_threads": 1,
        "torch": "2",
        "diffusers": "0",
        "load_average": [0.0],
    }
    found = Tuning({"name": "scenes"}, settings, machine, tuple(POINTS), ("plan",), (), {}, {}, 5, True)
    (tmp_path / "scenes-2.5.json").write_text(json.dumps(found.to_dict()))
    monkeypatch.setattr(tuning, "RESULTS", tmp_path)
    text = tuning.filled("before <!-- tunings -->old<!-- end --> after")
    assert text.startswith("before <!-- tunings -->\n\n## scenes, guidance 2.5")
    assert "| plan | 36.0 |" in text
    assert "old" not in text
    assert tuning.filled(text) == text
