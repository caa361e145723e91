import numpy as np
import pytest

from wormnet.audit import dynamics, steepest, variance_explained
from wormnet.errors import ShapeError


def test_the_first_component_explains_what_scikit_learn_says():
    decomposition = pytest.importorskip("sklearn.decomposition")
    states = np.random.default_rng(0).standard_normal((200, 7)) * np.arange(1, 8)
    expected = decomposition.PCA(1).fit(states).explained_variance_ratio_[0]
    assert variance_explained(states) == pytest.approx(expected, rel=1e-10)


def test_one_circle_needs_two_components_and_one_line_one():
    t = np.linspace(0, 2 * np.pi, 1001)[:-1]
    assert dynamics([np.stack([np.sin(t), np.cos(t)], 1)]).pc1 == pytest.approx(0.5, abs=1e-9)
    assert dynamics([np.outer(np.sin(t), [1.0, -2.0, 3.0])]).pc1 == pytest.approx(1)
    assert dynamics([np.ones((5, 3))]).pc1 == 1.0  # nothing varies


def test_the_steepest_change_of_a_sine_is_its_frequency():
    t = np.arange(1000)
    found = steepest(np.stack([np.sin(0.01 * t), 3 * np.sin(0.02 * t)], 1))
    np.testing.assert_allclose(found, [0.01, 0.06], rtol=1e-3)


def test_neurons_are_sorted_and_sequences_averaged():
    found = dynamics([np.array([[0.0, 0.0], [4.0, 1.0]]), np.array([[0.0, 0.0], [2.0, 1.0], [2.0, 3.0]])])
    np.testing.assert_allclose(found.per_neuron, [1.5, 3.0])
    assert found.l_max == 2.25
    assert steepest(np.zeros((1, 3))).tolist() == [0, 0, 0]


@pytest.mark.parametrize("states", [[], [np.zeros(3)], [np.zeros((2, 3)), np.zeros((2, 4))], [np.zeros((2, 0))]])
def test_other_shapes_are_refused(states):
    with pytest.raises(ShapeError, match="they take one \\(time, neurons\\) array per sequence"):
        dynamics(states)
