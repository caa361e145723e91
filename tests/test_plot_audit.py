"""Drawings of what a network does: every number is there, and can be read on a light and on a dark ground."""

import matplotlib.style
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from wormnet import audit, plot
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


ACTIVITY = audit.Activity(
    [1.0, 2.0, 3.0], ("a", "b", "c"), [[0.0, 1.0, 2.0]] * 3, [[1.0, 2.0, 5.0], [1.0, 4.0, 5.0], [1.0, np.inf, 5.0]]
)
LESIONS = audit.Lesions(
    2.0, ("a", "b", "c -> d"), ("neuron", "neuron", "chemical"), [5.0, np.nan, 1.5], [3, np.nan, -0.5]
)
WHY = audit.Why(
    *("m", 4, ("(memory)", "(itself)", "x", "y"), ("memory", "itself", "gap", "gap"), [0.5, 0.0, -2.0, 1.0]),
    *(0.7, -0.5, {}, None, None),
)
BOUNDS = audit.Bounds(("a", "b"), [[0.0, -1.0]] * 2, [[0.5, 1.0], [0.75, 2.0]], ("b",), [[-1.0]] * 2, [[1.0], [2.0]])


def labels(ticks):
    return [one.get_text() for one in ticks]


def test_the_raster_has_a_row_for_every_neuron():
    ax = plot.activity(ACTIVITY)
    np.testing.assert_array_equal(ax.get_images()[0].get_array(), ACTIVITY.potential.T)
    assert labels(ax.get_yticklabels()) == ["a", "b", "c"]
    assert ax.get_images()[0].get_extent()[:2] == [0, 3]


def test_time_constants_are_lines_with_those_that_vary_most_first():
    ax = plot.time_constants(ACTIVITY)
    assert labels(ax.get_legend().get_texts())[0] == "b"
    np.testing.assert_array_equal(ax.get_lines()[0].get_ydata(), [2, 4, np.nan])
    assert labels(plot.time_constants(ACTIVITY, "c").get_legend().get_texts()) == ["c"]


def test_bounds_are_bands_and_what_is_inside_a_line():
    ax = plot.bounds(BOUNDS, "b", inside=[[0.0, 0.5], [0.1, 0.6]])
    [band] = ax.collections
    y = band.get_paths()[0].vertices[:, 1]
    assert (y.min(), y.max()) == (-1, 2)
    np.testing.assert_array_equal(ax.get_lines()[0].get_ydata(), [0.5, 0.6])
    assert labels(plot.bounds(BOUNDS).get_legend().get_texts()) == ["b", "a"]


def test_lesions_are_bars_from_the_top_and_what_diverged_is_written():
    ax = plot.lesions(LESIONS)
    assert [bar.get_width() for bar in ax.patches] == [3, 0, -0.5]
    assert labels(ax.get_yticklabels()) == ["a", "b", "c -> d"]
    assert ax.yaxis_inverted()
    assert [text.get_text() for text in ax.texts] == [" nan"]
    assert plot.lesions(LESIONS, most=1).get_title("left") == "2 more change it less"


def test_reasons_are_bars_that_sum_to_the_potential():
    ax = plot.why(WHY)
    assert labels(ax.get_yticklabels()) == ["x", "y", "(memory)", "(itself)"]
    for most in (1, 2, 4):
        bars = [bar.get_width() for bar in plot.why(WHY, most).patches]
        assert sum(bars) == pytest.approx(WHY.after)
        assert len(bars) == min(most + 1, 4)


def test_results_draw_themselves_on_axes_that_are_given():
    axes = Figure().subplots(6)
    assert ACTIVITY.plot(ax=axes[0]) is axes[0]
    assert ACTIVITY.plot_time_constants("a", ax=axes[1]) is axes[1]
    assert BOUNDS.plot("a", ax=axes[2]) is axes[2]
    assert LESIONS.plot(ax=axes[3]) is axes[3]
    assert WHY.plot(ax=axes[4]) is axes[4]
    assert audit.Saliency(np.eye(3)[None]).plot(np.zeros((3, 3)), ax=axes[5]) is axes[5]


def contrast(one, other):
    """Of two colours, as WCAG 2.1 defines it: 1 to 21."""

    def luminance(colour):
        rgb = np.array(to_rgb(colour))
        return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]

    high, low = sorted([luminance(one), luminance(other)], reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_text_and_lines_stand_out_from_a_light_and_from_a_dark_ground(style):
    with matplotlib.style.context(style):
        drawn = [plot.activity(ACTIVITY), plot.time_constants(ACTIVITY), plot.bounds(BOUNDS, inside=np.zeros((2, 2)))]
        drawn += [plot.lesions(LESIONS), plot.why(WHY)]
    for ax in drawn:
        ground = ax.get_facecolor()
        texts = [*ax.texts, *ax.get_xticklabels(), *ax.get_yticklabels(), ax.xaxis.label, ax.yaxis.label, ax.title]
        texts += ax.get_legend().get_texts() if ax.get_legend() else []
        assert min(contrast(text.get_color(), ground) for text in texts) >= 4.5
        shapes = [line.get_color() for line in ax.get_lines()] + [bar.get_facecolor() for bar in ax.patches]
        # For what is no text, WCAG asks for 3.
        assert min([contrast(colour, ground) for colour in shapes], default=3) >= 3


def test_what_cannot_be_drawn_is_refused():
    for draw in (plot.activity, plot.time_constants, plot.bounds, plot.lesions, plot.why):
        with pytest.raises(ArgumentError, match=r"wormnet\.audit"):
            draw(3)
    without = audit.Activity([1.0], ("a",), [[0.0]], None)
    with pytest.raises(ArgumentError, match="its model solves no differential equation"):
        plot.time_constants(without)
    with pytest.raises(ArgumentError, match=r"has 2 sequences; one is drawn: activity\(rnn, x\[0\]\)"):
        plot.activity(audit.Activity([1.0], ("a",), np.zeros((2, 1, 1)), None))
    with pytest.raises(ArgumentError, match="unknown neuron 'z'"):
        plot.bounds(BOUNDS, "z")
