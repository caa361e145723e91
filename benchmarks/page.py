"""Frames a second that the page of a wiring draws in headless Chromium: python benchmarks/page.py [NAME] [SECONDS].

Beside the rate stands the CPU time of a frame, which other work on the machine changes less: that of the page, and that
of painting, are of two processes, which run side by side (Linux alone tells them).

The page colours its cells in every frame, and draws its traces when a sample is new; the rate is that of
requestAnimationFrame, which the browser keeps at 60 or less. The browser draws without a graphics card here.
"""

import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from wormnet import live
from wormnet.wiring import catalogue

COUNT = """<script type="module">
await new Promise((go) => setTimeout(go, 2000));
const w = window.wormnet;
w.toggle([[w.run.data.cells.at(-1).name]]);
const tell = (what) => fetch("http://127.0.0.1:PORT", { method: "POST", mode: "no-cors", body: JSON.stringify(what) });
await tell({});
const gaps = [], samples = w.run.sample;
let before = performance.now();
const until = before + SECONDS * 1000;
await new Promise((done) => {
  const tick = (now) => { gaps.push(now - before); before = now; now < until ? requestAnimationFrame(tick) : done(); };
  requestAnimationFrame(tick);
});
gaps.shift();
gaps.sort((a, b) => a - b);
const at = (share) => gaps[Math.floor(gaps.length * share)];
const told = { frames: gaps.length, median: at(0.5), slow: at(0.95), samples: w.run.sample - samples };
await tell(told);
</script></body>"""


def spent(folder: str) -> dict[str, float]:
    """CPU seconds of each kind of process that a browser with its profile in this folder has."""
    found: dict[str, float] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = process.joinpath("cmdline").read_text(errors="replace").replace("\0", " ")
            fields = process.joinpath("stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if folder in command:
            kind = command.partition("--type=")[2].partition(" ")[0] or "browser"
            ticks = int(fields[11]) + int(fields[12])
            found[kind] = found.get(kind, 0.0) + ticks / os.sysconf("SC_CLK_TCK")
    return found


def measure(page: Path, seconds: float, window: str) -> dict[str, Any]:
    """What the page of a file tells after so many seconds."""
    told: list[dict[str, Any]] = []
    heard = threading.Event()

    class Listen(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["content-length"]))) | {"cpu": spent(folder)})
            self.send_response(204)
            self.end_headers()
            if len(told) == 2:
                heard.set()

        def log_message(self, *_: object) -> None:
            pass

    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("it needs a browser: apt install chromium")
    with http.server.HTTPServer(("127.0.0.1", 0), Listen) as server, tempfile.TemporaryDirectory() as folder:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        script = COUNT.replace("PORT", str(server.server_port)).replace("SECONDS", str(seconds))
        trial = Path(folder, "trial.html")
        trial.write_text(page.read_text("utf-8").replace("</body>", script), "utf-8")
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile"]
        command += [f"--window-size={window}", "--remote-debugging-port=0", trial.as_uri()]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
            found = heard.wait(seconds + 60)
            running.terminate()
        server.shutdown()
    if not found:
        sys.exit("the page told nothing within a minute")
    before, after = told
    cpu = {kind: end - before["cpu"].get(kind, 0.0) for kind, end in after["cpu"].items()}
    return after | {"cpu": {kind: 1000 * one / after["frames"] for kind, one in cpu.items()}}


def main(name: str, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        page = live.page(live.untrained(catalogue.find(name)), None, Path(folder, "page.html"))
        for window in ("1300,900", "390,844"):
            told = measure(page, seconds, window)
            print(
                f"{name} at {window.replace(',', ' x ')}: {told['frames'] / seconds:.0f} frames a second "
                f"(median {told['median']:.1f} ms, 95 % within {told['slow']:.1f} ms), {told['samples'] / seconds:.0f} "
                "samples a second of the intact and the lesioned network; CPU of a frame: "
                f"{told['cpu'].get('renderer', 0.0):.1f} ms, painting {told['cpu'].get('gpu-process', 0.0):.1f} ms"
            )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "cook2019", float(sys.argv[2]) if len(sys.argv) > 2 else 10.0)
