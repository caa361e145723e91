import numpy as np
import pytest

from wormnet.audit import ssim
from wormnet.errors import ArgumentError, ShapeError


def pictures(shape, seed=0, peak=1.0):
    rng = np.random.default_rng(seed)
    return peak * rng.random(shape), peak * rng.random(shape)


@pytest.mark.parametrize(("peak", "shape"), [(1.0, (11, 11)), (255.0, (48, 160)), (1.0, (37, 12))])
def test_the_index_is_that_of_scikit_image(peak, shape):
    metrics = pytest.importorskip("skimage.metrics")
    one, noise = pictures(shape, peak=peak)
    for other in (noise, np.clip(one + 0.1 * (noise - peak / 2), 0, peak), np.full(shape, peak / 3)):
        expected, full = metrics.structural_similarity(
            *(one, other), data_range=peak, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
        )
        found = ssim(one, other, peak=peak)
        assert found.index == pytest.approx(expected, abs=1e-9)
        np.testing.assert_allclose(found.map, full[5:-5, 5:-5], atol=1e-9)


def test_flat_images_differ_in_luminance_alone():
    for a, b in [(0.0, 1.0), (0.2, 0.7), (0.5, 0.5)]:
        luminance = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
        assert ssim(np.full((12, 14), a), np.full((12, 14), b), peak=1).index == pytest.approx(luminance, rel=1e-9)


def test_an_image_is_one_with_itself_and_the_order_does_not_matter():
    one, other = pictures((13, 17))
    assert ssim(one, one, peak=1).index == pytest.approx(1, abs=1e-12)
    assert ssim(one, other, peak=1).index == ssim(other, one, peak=1).index < 0.2


def test_maps_up_to_one_give_the_numbers_of_maps_up_to_255():
    one, other = pictures((15, 15))
    assert ssim(one, other, peak=1).index == pytest.approx(ssim(255 * one, 255 * other, peak=255).index, abs=1e-12)


def test_each_pair_of_a_stack_is_compared_by_itself():
    one, other = pictures((2, 12, 12, 12))
    found = ssim(one, other, peak=1)
    assert found.index.shape == (2, 12)
    assert found.map.shape == (2, 12, 2, 2)
    assert found.index[1, 3] == pytest.approx(ssim(one[1, 3], other[1, 3], peak=1).index, abs=1e-14)
    with pytest.raises(ValueError, match="read-only"):
        found.map[0] = 0


def test_noise_lowers_the_index_step_by_step():
    clean = np.clip(np.add.outer(np.sin(np.arange(40) / 5), np.cos(np.arange(50) / 7)) / 4 + 0.5, 0, 1)
    noise = np.random.default_rng(1).standard_normal(clean.shape)
    found = [float(ssim(clean, np.clip(clean + s * noise, 0, 1), peak=1).index) for s in (0.0, 0.1, 0.3)]
    assert found[0] > found[1] > found[2]


@pytest.mark.parametrize(
    ("one", "other"),
    [(np.zeros((10, 30)), np.zeros((10, 30))), (np.zeros((12, 12)), np.zeros((12, 13))), (np.zeros(30), np.zeros(30))],
)
def test_images_of_other_shapes_are_refused(one, other):
    with pytest.raises(ShapeError, match="at least 11 x 11"):
        ssim(one, other, peak=1)


def test_values_outside_of_the_range_are_refused():
    image = np.full((12, 12), 200.0)
    with pytest.raises(ArgumentError, match="from 200 to 200; with peak=1 they take 0 to 1"):
        ssim(image, image, peak=1)
    with pytest.raises(ArgumentError, match="values from nan"):
        ssim(image * np.nan, image, peak=255)
    for peak in (0, -1, True, "255", np.inf):
        with pytest.raises(ArgumentError, match="peak is"):
            ssim(image, image, peak=peak)
