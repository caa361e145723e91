"""What figures show, and how a network looks in all of them."""

import pytest
import studies

from wormnet.study import figures, panels
from wormnet.study import summary as summaries
from wormnet.study.stats import Interval


@pytest.fixture(scope="module")
def looks():
    return figures.looks(summaries.summarise(*studies.study(folds=2, seeds=1)))


def test_six_networks_have_a_colour_in_curves_and_the_reference_is_one_of_them(looks):
    shown = [name for name, look in looks.items() if look.highlighted]
    assert len(shown) == figures.HIGHLIGHTS
    assert "lstm" in shown
    assert len({looks[name].colour for name in shown}) == len(shown)


def test_of_few_networks_all_have_a_colour():
    found = figures.looks(studies.of_scores({"ncp": [[0.9]], "ncp/random": [[0.8]], "lstm": [[0.7]]}))
    assert all(look.highlighted for look in found.values())
    assert {look.mark for look in found.values()} == set(figures.MARKS.values())


def test_the_front_is_what_nobody_beats_in_score_and_price_at_once():
    points = [
        (name, price, Interval(score, None, None, 1))
        for name, price, score in (
            ("cheap", 1, 0.5),
            ("good", 5, 0.9),
            ("dear", 9, 0.9),
            ("between", 3, 0.7),
            ("bad", 4, 0.6),
        )
    ]
    assert panels._front(points, 1) == ["cheap", "good", "between"]
    assert panels._front(points, -1) == ["cheap"]
