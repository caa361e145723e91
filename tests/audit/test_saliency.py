import itertools

import numpy as np
import pytest
import torch
from torch import nn

from wormnet.audit import visual_backprop
from wormnet.errors import ArgumentError, ShapeError


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def raised(m, size, kernel, stride, padding, dilation):
    """Every place of the layer's input gets the values of the windows that saw it, window by window."""
    full = np.zeros(size)
    for row, column in np.ndindex(*m.shape):
        for i, j in itertools.product(range(kernel[0]), range(kernel[1])):
            y = row * stride[0] - padding[0] + i * dilation[0]
            x = column * stride[1] - padding[1] + j * dilation[1]
            if 0 <= y < size[0] and 0 <= x < size[1]:
                full[y, x] += m[row, column]
    return full


def normalised(m):
    return (m - m.min()) / (m.max() - m.min())


@pytest.mark.parametrize(
    ("first", "second", "size"),
    [
        (((3, 3), (1, 1), (0, 0), (1, 1)), ((3, 3), (1, 1), (0, 0), (1, 1)), (9, 9)),
        (((5, 3), (2, 3), (2, 0), (1, 1)), ((2, 3), (1, 2), (0, 1), (1, 1)), (14, 19)),
        (((3, 2), (2, 2), (1, 1), (2, 3)), ((3, 3), (2, 1), (1, 2), (1, 2)), (13, 12)),
    ],
)
def test_the_map_is_the_product_of_all_features_scaled_up_by_hand(first, second, size):
    one, two = nn.Conv2d(3, 4, *first).double(), nn.Conv2d(4, 3, *second).double()
    images = torch.rand(2, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        a = one(images).relu()
        b = two(a).relu()
    head = nn.Sequential(one, nn.ReLU(), nn.Sequential(two, nn.ReLU()), nn.Flatten(), nn.LazyLinear(7))
    found = visual_backprop(head, images).map
    for k in range(2):
        m = raised(b[k].mean(0).numpy(), a.shape[2:], *second) * a[k].mean(0).numpy()
        np.testing.assert_allclose(found[k], normalised(raised(m, size, *first)), atol=1e-12)


@pytest.mark.parametrize("activation_first", [True, False])
def test_pools_scale_and_do_not_count_twice(activation_first):
    conv, pool = nn.Conv2d(1, 2, 3).double(), nn.MaxPool2d(2)
    nn.init.constant_(conv.bias, 0.3)
    images = torch.rand(1, 1, 9, 10, dtype=torch.float64)
    order = [nn.ReLU(), pool] if activation_first else [pool, nn.ReLU()]
    found = visual_backprop(nn.Sequential(conv, *order), images).map[0]
    with torch.no_grad():
        features = conv(images).relu()
    m = features[0].mean(0).numpy()
    if not activation_first:
        m = raised(pool(features)[0].mean(0).numpy(), m.shape, (2, 2), (2, 2), (0, 0), (1, 1))
    np.testing.assert_allclose(found, normalised(raised(m, (9, 10), (3, 3), (1, 1), (0, 0), (1, 1))), atol=1e-12)


def test_only_what_the_windows_around_a_spot_saw_stands_out():
    head = nn.Sequential(nn.Conv2d(1, 3, 3, bias=False), nn.ReLU(), nn.Conv2d(3, 3, 3, bias=False), nn.ReLU())
    for one in head.parameters():
        nn.init.uniform_(one, 0.1, 1.0)
    image = torch.zeros(1, 1, 21, 23)
    image[0, 0, 10, 12] = 1.0
    found = visual_backprop(head, image).map[0]
    assert np.unravel_index(found.argmax(), found.shape) == (10, 12)
    far = np.ones(found.shape, bool)
    far[6:15, 8:17] = False
    assert not found[far].any()


def test_without_biases_the_contrast_of_an_image_does_not_matter():
    head = nn.Sequential(nn.Conv2d(1, 3, 3, bias=False), nn.ReLU(), nn.Conv2d(3, 3, 3, bias=False), nn.ReLU())
    images = torch.rand(2, 1, 9, 9)
    np.testing.assert_allclose(visual_backprop(head, images).map, visual_backprop(head, 7 * images).map, atol=1e-5)


def test_each_image_is_looked_at_as_if_alone_and_fills_the_range():
    head = nn.Sequential(nn.Conv2d(3, 4, 3, padding="same"), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(4, 3, 3), nn.ReLU())
    images = torch.rand(3, 3, 12, 15)
    found = visual_backprop(head, images.numpy()).map
    assert found.shape == (3, 12, 15)
    np.testing.assert_allclose(found[1:2], visual_backprop(head, images[1:2]).map, atol=1e-6)
    assert (found.min((1, 2)) == 0).all()
    assert (found.max((1, 2)) == 1).all()


def test_a_head_that_sees_nothing_attends_to_nothing():
    head = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    nn.init.constant_(head[0].bias, -9.0)
    assert not visual_backprop(head, torch.rand(1, 1, 5, 5)).map.any()


def test_the_head_stays_as_it_is_and_is_looked_at_in_evaluation_mode():
    norm = nn.BatchNorm2d(2)
    norm.eval()
    head = nn.Sequential(nn.Conv2d(1, 2, 3), norm, nn.ReLU(), nn.Dropout(0.5))
    head.train()
    norm.eval()
    before = {name: value.clone() for name, value in head.state_dict().items()}
    images = torch.rand(1, 1, 8, 8)
    np.testing.assert_array_equal(visual_backprop(head, images).map, visual_backprop(head, images).map)
    assert [module.training for module in head] == [True, False, True, True]
    assert all((value == before[name]).all() for name, value in head.state_dict().items())
    assert all(one.grad is None for one in head.parameters())


def test_rays_of_a_lidar_are_a_line():
    head = nn.Sequential(nn.Conv1d(1, 4, 5, stride=2), nn.ReLU(), nn.Conv1d(4, 4, 3), nn.ReLU())
    assert visual_backprop(head, torch.rand(2, 1, 40)).map.shape == (2, 40)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3)


def test_heads_that_it_cannot_follow_are_refused():
    images = torch.rand(1, 1, 9, 9)
    with pytest.raises(ArgumentError, match=r"without nn\.Conv1d, 2d or 3d"):
        visual_backprop(nn.Sequential(nn.Flatten(), nn.Linear(81, 2)), images)
    with pytest.raises(ArgumentError, match="Block has convolutions inside, in an order that cannot be seen"):
        visual_backprop(nn.Sequential(Block()), images)
    with pytest.raises(ArgumentError, match=r"features down to -.* integrated_gradients takes any"):
        visual_backprop(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh()), images)
    between = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(2, 2, 3), nn.ReLU())
    with pytest.raises(ArgumentError, match=r"layer 2 of the head, Upsample, does not keep the size \(7, 7\)"):
        visual_backprop(between, images)
    with pytest.raises(ShapeError, match=r"\(1, 9, 9\); this head takes \(batch, channels, height, width\)"):
        visual_backprop(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()), images[0])
