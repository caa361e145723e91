"""The message for a name that is not in a list."""

import pytest

from wormnet.errors import unknown


@pytest.mark.parametrize("given", ["None", "none", " null", ""])
def test_the_object_none_among_the_choices_is_told_from_its_text(given):
    message = unknown("input_map", given, ("affine", "linear", None))
    assert message == (
        f"unknown input_map {given!r}; did you mean None, without quotes? "
        "Known: affine, linear, None (the object, without quotes)."
    )


def test_a_near_name_goes_before_the_object_none():
    assert "did you mean 'affine' or 'linear'?" in unknown("input_map", "afine", ("affine", "linear", None))


def test_a_name_that_happens_to_be_none_is_a_name():
    assert unknown("cell", "Nona", ["None", "a"]) == "unknown cell 'Nona'; did you mean 'None'? Known: None, a."


def test_of_many_choices_forty_are_listed():
    message = unknown("cell", "x", map(str, range(1000, 1050)))
    assert "1039, ... (50 in all)" in message
    assert "1040" not in message
