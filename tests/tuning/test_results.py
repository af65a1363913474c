"""What a tuning found, on disk."""

import json
from pathlib import Path

from faster_diffusion.tuning.results import Tuning
from faster_diffusion.tuning.speed import Speed

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "tuning" / "scenes-2.5.json"


def test_a_tuning_survives_its_file():
    content = json.loads(RESULTS.read_text())
    assert json.loads(json.dumps(Tuning.from_dict(content).to_dict())) == content


def test_a_tuning_of_an_earlier_version_is_read_by_the_names_it_has_today():
    text = RESULTS.read_text()
    found = Tuning.from_dict(json.loads(text))
    former = text.replace('"pareto_front":', '"front":').replace('"estimate":', '"foretold":')
    assert former != text
    assert Tuning.from_dict(json.loads(former)) == found
    assert found.front == found.pareto_front
    assert found.points[0].foretold == found.points[0].estimate


def test_a_speed_of_an_earlier_version_is_read():
    speed = Speed(call=1.0, step=0.1, rest=5.0, fractions={"encoder": 0.5})
    former = {"call": 1.0, "step": 0.1, "rest": 5.0, "shares": {"encoder": 0.5}}
    assert Speed.from_dict(former) == Speed.from_dict(speed.to_dict()) == speed
