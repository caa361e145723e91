import numpy as np
import pytest

from wormnet.errors import ShapeError
from wormnet.plot import crashes, film, strip

image = pytest.importorskip("PIL.Image")


def test_a_film_shows_each_picture_and_bars_that_point_to_where_is_steered(tmp_path):
    pictures = np.zeros((3, 4, 10), np.float32)
    pictures[1] = 1.0
    steering = np.array([[0.0, 0.0], [0.8, -0.8], [0.0, 0.0]])
    film(tmp_path / "film.gif", pictures, steering, scale=2)
    with image.open(tmp_path / "film.gif") as read:
        assert (read.n_frames, read.size) == (3, (20, 8 + 2 * 4))
        read.seek(1)
        frame = np.asarray(read.convert("RGB")).astype(int)
    assert frame[:8].min() > 250
    # Blue: the driver, to the left; green: the expert, to the right.
    assert frame[9, 4, 2] > frame[9, 4, 0] + 50
    assert frame[9, 15].min() > 200
    assert frame[13, 15, 1] > frame[13, 15, 0] + 50
    assert frame[13, 4].min() > 200


def test_a_strip_shows_frames_below_each_other(tmp_path):
    strip(tmp_path / "strip.png", np.random.default_rng(0).random((50, 4, 10, 1)), np.zeros((50, 1)), frames=5, scale=1)
    with image.open(tmp_path / "strip.png") as read:
        assert read.size == (10, 5 * (4 + 2))


def test_steering_of_another_length_is_refused(tmp_path):
    with pytest.raises(ShapeError, match=r"steering \(3, 2\); they take"):
        film(tmp_path / "film.gif", np.zeros((4, 5, 6)), np.zeros((3, 2)))
    assert not list(tmp_path.iterdir())


def test_the_crash_figure_shows_every_network_at_every_noise():
    ax = crashes([0.0, 0.1], {"a": [(0, 1, 2), (3, 4, 5)], "b": [(1, 1, 1), (2, 2, 2)]})
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "0.1"]
