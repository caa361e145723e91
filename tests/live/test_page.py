"""The page in a real browser, and the network in it beside the layer."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import torch

import wormnet
from wormnet.errors import ArgumentError, DataError, ShapeError

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
browser = pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt install chromium")


@pytest.fixture(scope="module")
def rnn():
    torch.manual_seed(0)
    return wormnet.LTC(wormnet.auto_ncp(inputs=3, neurons=12, outputs=2, seed=1), dtype=torch.float64)


@pytest.fixture(scope="module")
def x():
    return np.sin(np.arange(60)[:, None] / np.array([5.0, 8.0, 13.0])).astype(np.float32)


def in_browser(path, script, size="1200,800"):
    """What a script, run after the page has begun, gives; and the errors that the page threw until then."""
    text = path.read_text(encoding="utf-8")
    watch = "<script>window.faults=[];addEventListener('error',e=>faults.push(e.message));</script>"
    tell = (
        "<script type=module>await new Promise(r=>setTimeout(r,500));const w=window.wormnet;"
        f"const result=(()=>{{{script}}})();const said=document.createElement('pre');said.id='said';"
        "said.textContent=JSON.stringify({result,faults:window.faults});document.body.append(said);</script>"
    )
    trial = path.with_name(f"trial-{path.name}")
    trial.write_text(text.replace("<style>", watch + "<style>", 1).replace("</body>", tell + "</body>"), "utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={size}"]
    command += ["--virtual-time-budget=5000", "--dump-dom", trial.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    said = re.search(r'<pre id="said">(.*?)</pre>', done.stdout, re.S)
    assert said, done.stdout[-2000:]
    found = json.loads(said[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    assert found["faults"] == []
    return found["result"]


STEPS = "w.run.restart();const ys=[];for(let t=0;t<60;++t){w.run.advance();ys.push(Array.from(w.run.frames.at(-1).y));}"


@browser
def test_what_runs_in_the_page_is_the_layer(rnn, x, tmp_path):
    path = wormnet.page(rnn, x, tmp_path / "circuit.html", dt=0.7)
    found = in_browser(path, STEPS + "return ys;")
    expected = rnn(torch.tensor(x, dtype=torch.float64), dt=0.7)[0].detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)


@browser
def test_a_policy_of_the_zoo_is_opened_and_steps_in_the_page_as_it_acts(tmp_path):
    policy = wormnet.zoo.load("inverted_pendulum-tap_withdrawal")
    seen = np.sin(np.arange(60)[:, None] / np.array([5.0, 8.0, 13.0, 21.0])) * [0.5, 0.1, 1.0, 1.0]
    felt = policy.ends.felt(seen)
    warmed = np.concatenate([felt[:1], felt])  # it takes one step with its first observation before it acts
    path = wormnet.page(policy.layer(), warmed, tmp_path / "pole.html", dt=policy.dt, title="A worm balances a pole")
    steps = STEPS.replace("t<60", "t<61")
    found = in_browser(path, steps + "return [ys, document.body.innerText];")
    np.testing.assert_allclose(
        policy.ends.made(found[0])[1:], [policy.act(one) for one in seen], atol=2e-6
    )  # the policy itself computes in single precision
    for name in policy.network.wiring.cells:
        assert name in path.read_text()
    assert "A worm balances a pole" in found[1]


@browser
def test_a_lesion_in_the_page_is_a_lesion_of_the_layer_and_the_intact_network_goes_on(rnn, x, tmp_path):
    path = wormnet.page(rnn, x, tmp_path / "circuit.html")
    name = next(n for n, role in zip(rnn.wiring.neurons, rnn.wiring.roles) if role == "command")
    script = f"w.toggle([['{name}']]);{STEPS}const last=w.run.frames.at(-1);return [ys,Array.from(last.whole)];"
    lesioned, whole = in_browser(path, script)
    inputs = torch.tensor(x, dtype=torch.float64)
    expected = rnn.on(rnn.wiring.lesion(name))(inputs)[0].detach().numpy()
    np.testing.assert_allclose(lesioned, expected, atol=1e-6)
    np.testing.assert_allclose(whole, rnn(inputs)[0][-1].detach().numpy(), atol=1e-6)


@browser
def test_sliders_take_the_place_of_the_recording(rnn, x, tmp_path):
    path = wormnet.page(rnn, x, tmp_path / "circuit.html")
    script = """
      const hand = document.querySelectorAll('.sliders input')[1];
      hand.value = hand.max; hand.dispatchEvent(new Event('input'));
      w.run.restart(); w.run.advance();
      return [w.run.recorded, Array.from(w.run.frames[0].x), Number(hand.max)];
    """
    recorded, given, highest = in_browser(path, script)
    assert not recorded
    assert given[1] == pytest.approx(highest)


@browser
@pytest.mark.parametrize("size", ["1200,800", "390,844"])
def test_the_page_is_no_wider_than_the_window(rnn, x, tmp_path, size):
    path = wormnet.page(rnn, x, tmp_path / "circuit.html")
    wide, window = in_browser(path, "return [document.documentElement.scrollWidth, innerWidth];", size)
    assert wide <= window


@browser
@pytest.mark.slow
def test_the_whole_worm_runs_in_the_page(tmp_path):
    wiring = wormnet.connectome("cook2019").drive({"touch": "ALM"})
    with pytest.warns(wormnet.BlindOutputWarning):
        rnn = wormnet.LTC(wiring, unfolds=2)
    path = wormnet.page(rnn, None, tmp_path / "worm.html")
    script = """
      for (let t = 0; t < 30; ++t) w.run.advance();
      const lines = () => w.graph.edges().filter((one) => one.style('display') !== 'none').length, few = lines();
      const strongest = document.querySelector('[aria-label^="share of the synapses"]');
      strongest.value = 100; strongest.dispatchEvent(new Event('input'));
      return [w.graph.nodes('.bundle').length, w.run.frames.at(-1).v.length, few, lines(), document.body.innerText];
    """
    bundles, neurons, few, all_of_them, text = in_browser(path, script)
    assert bundles > 50  # drawn by class at first
    assert neurons == 302
    assert 300 < few < 500 < 2_000 < all_of_them  # and the strongest connections, until more are asked for
    assert "this is not where they lie in the body" in text


def test_the_page_needs_no_network(rnn, x, tmp_path):
    text = wormnet.page(rnn, x, tmp_path / "circuit.html").read_text(encoding="utf-8")
    assert not re.search(r'(src|href)\s*=\s*"', text.split("<script", 1)[0])
    assert "MIT" in text or "Permission is hereby granted" in text  # the notice of the drawing library


def test_names_and_titles_cannot_end_the_script_or_become_markup(tmp_path):
    wiring = wormnet.Wiring(["</script><b>"], ["<i>"], pre=[0], post=[1])
    path = wormnet.page(wormnet.LTC(wiring), None, tmp_path / "odd.html", title="</title><script>alert(1)</script>")
    text = path.read_text(encoding="utf-8")
    assert text.count("</script>") == 1
    assert "<b>" not in text.split("<script", 1)[1].split("cytoscape = ", 1)[0]
    assert "<title>&lt;/title&gt;" in text


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"x": np.zeros((5, 2))}, ShapeError, r"x has shape \(5, 2\); a page takes one recording: \(time, 3\)"),
        ({"x": np.full((5, 3), np.nan)}, ArgumentError, "finite"),
        ({"x": "circle"}, ArgumentError, "x is str; a page takes one recording of numbers"),
        ({"x": np.zeros((6000, 3))}, ArgumentError, "6,000 samples; a page takes at most 5,000"),
        ({"x": np.zeros((5, 3)), "dt": np.ones(4)}, ShapeError, "dt has 4 numbers"),
        ({"x": np.zeros((5, 3)), "dt": 0.0}, ArgumentError, "dt numbers > 0"),
        ({"x": None, "layout": "circel"}, ArgumentError, "did you mean 'circle'"),
        ({"x": None, "outputs": ["one"]}, ArgumentError, "outputs names 1; the network has 2"),
    ],
)
def test_what_a_page_cannot_show_is_one_clear_error_and_no_file(rnn, tmp_path, given, error, says):
    with pytest.raises(error, match=says):
        wormnet.page(rnn, given.pop("x"), tmp_path / "circuit.html", **given)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_one_clear_error(rnn, tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        wormnet.page(rnn, None, tmp_path / "nowhere" / "circuit.html")


def test_the_widget_shows_what_the_page_shows(rnn, x):
    pytest.importorskip("anywidget")
    from wormnet.live import widget

    shown = widget(rnn, x)
    assert len(shown.data["cells"]) == len(rnn.wiring.cells)
    assert len(shown.data["input"]) == 60
    assert "export default" in shown._esm
