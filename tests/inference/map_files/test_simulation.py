"""What simulated parts mean: the input and the network are judged each by itself."""

from __future__ import annotations

import pytest

from isamap.inference.map_files.simulation import parts_of, sentence, shows_no_real_place


@pytest.mark.parametrize(
    ("tags", "parts", "unreal"),
    [
        ({}, (), False),
        ({"simulated": "false"}, (), False),
        ({"simulated": "true"}, ("input",), True),  # of a map that does not name its parts
        ({"simulated": "true", "simulated_parts": "training"}, ("training",), False),
        ({"simulated": "true", "simulated_parts": "input, training"}, ("input", "training"), True),
        ({"simulated": "true", "simulated_parts": "moon"}, ("input",), True),
    ],
)
def test_only_a_simulated_input_shows_no_real_place(tags, parts, unreal):
    assert (parts_of(tags), shows_no_real_place(tags)) == (parts, unreal)


def test_a_real_input_of_a_network_from_the_world_is_not_called_unreal():
    words = sentence({"simulated": "true", "simulated_parts": "training"})
    assert "nothing about the real place" not in words and "learned from simulated images" in words
