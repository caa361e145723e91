"""Drawings of what a network does: every number is there, and can be read on a light and on a dark ground."""

import numpy as np
import pytest

from wormnet import plot
from wormnet.errors import ArgumentError, ShapeError


def test_the_map_covers_the_image_as_much_as_it_counts():
    values = np.array([[0.0, 0.5], [1.0, 0.25], [0.0, 0.0]])
    image, cover = plot.saliency(np.ones((3, 2)), values, opacity=0.8).get_images()
    np.testing.assert_allclose(cover.get_array(), values)
    np.testing.assert_allclose(cover.get_alpha(), 0.8 * values)
    assert image.get_array().shape == (3, 2)


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 3), (1, 4, 6), (3, 4, 6)])
def test_images_come_with_their_channels_first_last_or_without(shape):
    ax = plot.saliency(np.full(shape, 0.5), np.ones((4, 6)))
    assert ax.get_images()[0].get_array().shape[:2] == (4, 6)


def test_contributions_of_both_signs_have_a_colour_each_and_zero_none():
    cover = plot.saliency(np.zeros((2, 2)), [[-3.0, 0.0], [1.0, 2.0]]).get_images()[1]
    assert (cover.norm.vmin, cover.norm.vmax) == (-3, 3)
    np.testing.assert_allclose(cover.get_alpha(), 0.75 * np.array([[1, 0], [1 / 3, 2 / 3]]))


def test_maps_that_fit_no_image_are_refused():
    with pytest.raises(ShapeError, match=r"the map has shape \(3, 4\); over this image it takes \(4, 3\)"):
        plot.saliency(np.zeros((4, 3)), np.zeros((3, 4)))
    with pytest.raises(ShapeError, match=r"the image has shape \(4, 3, 2\)"):
        plot.saliency(np.zeros((4, 3, 2)), np.zeros((4, 3)))
    with pytest.raises(ArgumentError, match="goes up to 255; it takes values from 0 to 1"):
        plot.saliency(np.full((4, 3, 3), 255), np.zeros((4, 3)))
    with pytest.raises(ArgumentError, match="not finite"):
        plot.saliency(np.zeros((4, 3)), np.full((4, 3), np.nan))
    with pytest.raises(ArgumentError, match="opacity is 2"):
        plot.saliency(np.zeros((4, 3)), np.zeros((4, 3)), opacity=2)
