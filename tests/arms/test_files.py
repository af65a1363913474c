"""Arms from a file."""

import pytest

from faster_diffusion.arms import Arm, read_arms


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("arms.json", '{"ours": "paper + noise", "fewer": "dpm++:20", "every fourth": 4}'),
        ("arms.yaml", "ours: paper + noise\nfewer: dpm++:20\nevery fourth: 4\n"),
    ],
)
def test_names_and_arms_in_the_order_of_the_file(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    arms = read_arms(path)
    assert [arm.name for arm in arms] == ["ours", "fewer", "every fourth"]
    assert arms == [Arm.parse("paper + noise"), Arm.parse("dpm++:20"), Arm.parse("uniform:4")]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("arms.json", "{", "is no JSON"),
        ("arms.yaml", "a: [", "is no YAML"),
        ("arms.yaml", "- paper\n", "is no map from names to arms"),
        ("arms.json", "{}", "is no map from names to arms"),
        ("arms.json", '{"a": "magic"}', "'magic' is not understood"),
    ],
)
def test_a_mistake_names_the_file(tmp_path, name, text, says):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ValueError, match=says) as error:
        read_arms(path)
    assert str(path) in str(error.value)
