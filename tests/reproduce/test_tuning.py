"""The page on tuning says what was measured."""

import json

from faster_diffusion.tuning import Figure, Tuning
from faster_diffusion.tuning.results import Level
from reproduce import tuning
from tests.tuning.test_levels import POINTS


def test_its_tables_are_made_from_the_raw_results():
    text = tuning.PAGE.read_text()
    assert "<!-- tunings -->" in text
    assert tuning.filled(text) == text


def test_tables_are_made_of_tunings(tmp_path, monkeypatch):
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
    levels = (
        Level(25.0, "plan", "ddim", Figure(1.5, (1.0, 2.0)), None, None),
        Level(40.0, "plan", "ddim", Figure(3.0, None), None, None, falls_short=True),
        Level(45.0, None, None, None, None, None, falls_short=True),
    )
    found = Tuning({"name": "scenes"}, settings, machine, tuple(POINTS), ("plan",), levels, {}, {}, 5, True)
    (tmp_path / "scenes-2.5.json").write_text(json.dumps(found.to_dict()))
    monkeypatch.setattr(tuning, "RESULTS", tmp_path)
    text = tuning.filled("<!-- gains --><!-- end --> before <!-- tunings -->old<!-- end --> after")
    assert "| PSNR at least | scenes, 2.5 |" in text
    assert "| 25 dB | 1.50× [1.00, 2.00] |" in text
    assert "| 40 dB | > 3.00× |" in text
    assert "| 45 dB | none gets there |" in text
    assert "before <!-- tunings -->\n\n## scenes, guidance 2.5" in text
    assert "| plan | 36.0 |" in text
    assert "old" not in text
    assert tuning.filled(text) == text
