"""The report as a browser shows it, on a telephone and on a desk, light and dark."""

import html
import json
import re
import shutil
import subprocess

import pytest
import studies

from wormnet.study import figures
from wormnet.study.report import report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium to render the report in; on Debian and Ubuntu: apt install chromium"
)

# Measures what is drawn and tells the page around. A window of its own is never narrower than 500 pixels; a frame is.
PROBE = """<script>
const letters = [...document.querySelectorAll("svg text")].map(t => {
  const size = parseFloat(getComputedStyle(t).fontSize), m = t.getScreenCTM();
  return size * Math.hypot(m.a, m.b);
});
const words = [...document.querySelectorAll("main *")]
  .filter(e => !e.closest("svg") && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
  .map(e => parseFloat(getComputedStyle(e).fontSize));
const out = {
  width: innerWidth, page: document.documentElement.scrollWidth, letters: Math.min(...letters), n: letters.length,
  words: Math.min(...words), fetched: performance.getEntriesByType("resource").map(e => e.name),
  ground: getComputedStyle(document.body).backgroundColor, ink: getComputedStyle(document.body).color,
  drawn: getComputedStyle(document.querySelector("svg text")).fill,
  columns: new Set([...document.querySelector(".panels").children].map(e => e.getBoundingClientRect().left)).size,
  outside: [...document.querySelectorAll(".panels svg")]
    .filter(e => e.getBoundingClientRect().right > innerWidth).length,
};
parent.postMessage(JSON.stringify(out), "*");
</script>"""
AROUND = """<!doctype html><meta name="color-scheme" content="light dark"><pre id="probe"></pre>
<script>onmessage = e => { document.getElementById("probe").textContent = e.data; };</script>
<iframe src="probed.html" style="width: %dpx; height: 1000px; border: 0"></iframe>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report with all that is folded unfolded, and the probe at its end."""
    out = studies.write(tmp_path_factory.mktemp("rendered"), *studies.study(folds=2, seeds=1))
    text = report(out).read_text(encoding="utf-8").replace("<details>", "<details open>")
    probed = out / "probed.html"
    probed.write_text(text.replace("</body>", f"{PROBE}</body>"), encoding="utf-8")
    return probed


def shown(page, width: int, scheme: int) -> tuple[dict, str]:
    """What the probe measured, and what the browser complained of."""
    around = page.with_name(f"around-{width}.html")
    around.write_text(AROUND % width, encoding="utf-8")
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    command += [f"--blink-settings=preferredColorScheme={scheme}", "--virtual-time-budget=60000", around.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    found = re.search('<pre id="probe">(.+?)</pre>', done.stdout, re.S)
    assert found, done.stdout[-500:]
    console = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    return json.loads(html.unescape(found[1])), console


def brightness(colour: str) -> float:
    return sum(map(float, re.findall(r"[\d.]+", colour)[:3])) / 3


@browser
@pytest.mark.slow
@pytest.mark.parametrize(("width", "columns"), [(390, 1), (1200, 3)])
def test_the_report_is_readable_at_this_width(page, width, columns):
    found, console = shown(page, width, 1)
    assert console == ""
    assert found["fetched"] == []
    assert found["width"] == width
    # Tables scroll inside of their own frames; the page does not scroll sideways.
    assert found["page"] <= width
    assert found["outside"] == 0
    assert found["n"] > 500
    assert found["letters"] >= 9
    assert found["words"] >= 11
    assert found["columns"] == columns


@browser
@pytest.mark.slow
def test_a_dark_page_has_dark_figures(page):
    light, _ = shown(page, 390, 1)
    dark, console = shown(page, 390, 0)
    assert console == ""
    assert brightness(light["ground"]) > 240
    assert brightness(dark["ground"]) < 40
    for what in ("ink", "drawn"):
        assert brightness(light[what]) < 110
        assert brightness(dark[what]) > 150


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
def test_text_and_marks_stand_out_from_the_ground(dark):
    """WCAG 2: 4.5 for text; 3 for what is no text, which the first colour of each family keeps."""
    found = figures.colours(dark)

    def contrast(name: str) -> float:
        low, high = sorted((luminance(found[name]), luminance(found["ground"])))
        return (high + 0.05) / (low + 0.05)

    for name in ("ink", "soft", "alert"):
        assert contrast(name) >= 4.5, name
    for family in figures.MARKS:
        assert contrast(f"{family}0") >= 3, family


def test_no_two_colours_of_figures_are_one():
    """Colours are found in a drawing by their light value."""
    light = figures.colours()
    assert len(set(light.values())) == len(light)
    assert not set(light.values()) & set(figures.colours(dark=True).values())
