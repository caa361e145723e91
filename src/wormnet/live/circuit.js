// The living circuit: draws a network, runs it, and lets it be touched. It needs `Network` (the exported module) and
// `cytoscape` in its scope; `mount(element, data)` does the rest and returns a function that stops it.

const FRAMES_KEPT = 600;
const DRAWN_AT_FIRST = 400;
const RAMP = [[33, 102, 172], [146, 197, 222], [247, 247, 247], [244, 165, 130], [178, 24, 43]];

function ramp(share) {
  const at = Math.min(Math.max(share, 0), 1) * (RAMP.length - 1);
  const k = Math.min(Math.floor(at), RAMP.length - 2), part = at - k;
  const mix = RAMP[k].map((low, i) => Math.round(low + part * (RAMP[k + 1][i] - low)));
  return `rgb(${mix.join(",")})`;
}

function create(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name === "text") element.textContent = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const brief = (value) => (Number.isFinite(value) ? String(Number(value.toPrecision(3))) : "removed");

// Two copies of the network under one input, one of them with lesions, and what both did lately.
class Run {
  constructor(data) {
    this.data = data;
    this.network = new Network();
    this.intact = new Network();
    this.recorded = data.input.length > 0;
    this.manual = Float64Array.from(data.sliders, (one) => one.start);
    this.restart();
  }

  restart() {
    this.network.reset();
    this.intact.reset();
    this.sample = 0;
    this.time = 0;
    this.frames = [];
  }

  // The input of the next sample and the time before it.
  next() {
    const { input, dt } = this.data;
    if (!this.recorded) return [this.manual, dt.length ? dt[0] : undefined];
    const at = this.sample % input.length;
    return [input[at], dt.length ? dt[at % dt.length] : undefined];
  }

  advance() {
    const [x, dt] = this.next();
    const y = this.network.step(x, dt), whole = this.intact.step(x, dt);
    this.time += dt === undefined ? about.timeUnit : dt;
    this.sample += 1;
    this.frames.push({
      time: this.time, y, whole, x: Float64Array.from(x), v: this.network.activity.slice(), intact: this.intact.activity.slice(),
    });
    if (this.frames.length > FRAMES_KEPT) this.frames.shift();
  }

  get lesioned() {
    return this.network.lesions.length > 0;
  }
}

// A chart of the last samples on a canvas: [{name, colour, values, dashed}].
function chart(canvas, lines, shown) {
  const box = canvas.getBoundingClientRect(), scale = window.devicePixelRatio || 1;
  if (!box.width) return;
  const [w, h] = [box.width, box.height];
  if (canvas.width !== Math.round(w * scale)) [canvas.width, canvas.height] = [Math.round(w * scale), Math.round(h * scale)];
  const ink = canvas.getContext("2d");
  ink.setTransform(scale, 0, 0, scale, 0, 0);
  ink.clearRect(0, 0, w, h);
  let [low, high] = [Infinity, -Infinity];
  for (const line of lines) for (const v of line.values) if (Number.isFinite(v)) [low, high] = [Math.min(low, v), Math.max(high, v)];
  if (!(low <= high)) return;
  const room = 0.08 * (high - low) || 0.5, left = 54, style = getComputedStyle(canvas);
  [low, high] = [low - room, high + room];
  const n = Math.max(...lines.map((line) => line.values.length), 2);
  const toX = (i) => left + ((w - left - 6) * i) / (n - 1), toY = (v) => 6 + ((h - 12) * (high - v)) / (high - low);
  ink.fillStyle = style.color;
  ink.font = "12px system-ui, sans-serif";
  ink.textAlign = "right";
  for (const v of [low + room, high - room]) ink.fillText(brief(v), left - 6, toY(v) + 4);
  for (const line of lines) {
    ink.strokeStyle = line.colour;
    ink.lineWidth = line.dashed ? 1.2 : 1.8;
    ink.setLineDash(line.dashed ? [4, 3] : []);
    ink.beginPath();
    let pen = false;
    line.values.forEach((v, i) => {
      if (!Number.isFinite(v)) { pen = false; return; }
      pen ? ink.lineTo(toX(i), toY(v)) : ink.moveTo(toX(i), toY(v));
      pen = true;
    });
    ink.stroke();
  }
  ink.setLineDash([]);
  if (shown !== undefined) {
    ink.strokeStyle = style.color;
    ink.globalAlpha = 0.5;
    ink.beginPath();
    ink.moveTo(toX(shown), 4);
    ink.lineTo(toX(shown), h - 4);
    ink.stroke();
    ink.globalAlpha = 1;
  }
}

const LINES = ["#0b84c6", "#d1495b", "#2f9e7e", "#b0629b", "#b8860b", "#6b6fc4", "#7a828c"];
const SIGNS = { 1: "#0b84c6", "-1": "#d1495b", 0: "#8a929c" };

function elementsOf(data) {
  const nodes = data.cells.map((cell, number) => ({
    data: { id: `n${number}`, name: cell.name, label: cell.label, size: cell.size, group: cell.group, output: cell.output ? 1 : 0 },
    position: { x: cell.x, y: cell.y },
  }));
  const edges = data.synapses.map((one, number) => ({
    data: {
      id: `e${number}`, source: `n${one.pre}`, target: `n${one.post}`, colour: one.kind === "gap" ? "#8a6d3b" : SIGNS[one.sign],
      width: one.width, kind: one.kind,
    },
    classes: one.kind,
  }));
  return [...nodes, ...edges];
}

function drawn(element, data, dense, faint) {
  return cytoscape({
    container: element,
    elements: elementsOf(data),
    layout: { name: "preset", fit: true, padding: 24 },
    autoungrabify: false,
    wheelSensitivity: 0.3,
    pixelRatio: "auto",
    textureOnViewport: dense,
    hideEdgesOnViewport: dense,
    style: [
      {
        selector: "node",
        style: {
          width: "data(size)", height: "data(size)", "background-opacity": 0, "border-width": 1.2, "border-color": "#8a929c",
          label: "data(label)", "font-size": 11, color: "#6b7480", "text-valign": "bottom", "text-margin-y": 2,
          "min-zoomed-font-size": 8,
        },
      },
      { selector: "node[output = 1]", style: { "border-width": 2.6 } },
      {
        selector: "edge",
        style: {
          width: "data(width)", "line-color": "data(colour)", "curve-style": dense ? "haystack" : "bezier", opacity: () => faint(),
          "target-arrow-color": "data(colour)", "target-arrow-shape": dense ? "none" : "triangle", "arrow-scale": 0.7,
        },
      },
      { selector: "edge.gap", style: { "line-style": "dashed", "target-arrow-shape": "none" } },
      { selector: "edge.current", style: { "line-style": "dotted" } },
      { selector: ".gone", style: { opacity: 0.12, "line-style": "dotted" } },
      { selector: ":selected", style: { "border-color": "#e0a100", "border-width": 4, opacity: 1 } },
      { selector: ".hidden", style: { display: "none" } },
      { selector: "edge.near", style: { opacity: 0.9, display: "element" } },
    ],
  });
}

function mount(root, data) {
  const run = new Run(data);
  const dense = data.synapses.length > 1500;
  let playing = true, speed = data.speed, shown = null, chosen = null, due = 0, before = 0, stopped = false;
  const pinned = new Set(data.pinned);
  const neuronAt = new Map(neurons.map((name, i) => [name, i]));
  const inputAt = new Map(inputs.map((name, i) => [name, i]));

  // -- what stands on the page
  const picture = create("div", { class: "picture" });
  const glow = create("canvas", { class: "glow", "aria-hidden": "true" });
  const stage = create("div", { class: "stage", role: "img", "aria-label": data.title }, picture, glow);
  const play = create("button", { type: "button", text: "Pause", onclick: () => { playing = !playing; shown = null; labels(); } });
  const restart = create("button", { type: "button", text: "Restart", onclick: () => { run.restart(); shown = null; } });
  const heal = create("button", { type: "button", text: "Undo lesions", onclick: () => { run.network.restore(); marks(); } });
  const rate = create("input", {
    type: "range", min: "0", max: "3", step: "0.05", value: String(Math.log10(speed)), "aria-label": "samples a second",
    oninput: (event) => { speed = 10 ** Number(event.target.value); labels(); },
  });
  const rateText = create("output");
  const scrub = create("input", {
    type: "range", min: "0", max: "1", step: "1", value: "1", "aria-label": "time",
    oninput: (event) => { playing = false; shown = Number(event.target.value); labels(); },
  });
  const clock = create("output");
  const source = create("select", {
    "aria-label": "input",
    onchange: (event) => { run.recorded = event.target.value === "recorded"; labels(); },
  });
  if (data.input.length) source.append(create("option", { value: "recorded", text: "recorded input" }));
  source.append(create("option", { value: "manual", text: "sliders" }));
  const strongest = create("input", {
    type: "range", min: "0", max: "100", step: "0.5", value: "100", "aria-label": "share of the synapses drawn, the strongest",
    oninput: () => filter(),
  });
  const strongestText = create("output");
  const grouping = create("input", { type: "checkbox", onchange: () => gather(), ...(data.gathered ? { checked: "" } : {}) });
  const sliders = create("div", { class: "sliders" });
  const search = create("input", { type: "search", placeholder: "find a cell", list: "wormnet-cells", onchange: (event) => pick(event.target.value) });
  const known = create("datalist", { id: "wormnet-cells" }, ...data.cells.map((cell) => create("option", { value: cell.name })));
  const card = create("div", { class: "card", "aria-live": "polite" });
  const outputChart = create("canvas", { class: "chart" }), traceChart = create("canvas", { class: "chart" });
  const outputLegend = create("div", { class: "legend" }), traceLegend = create("div", { class: "legend" });
  root.append(
    create("header", {}, create("h1", { text: data.title }), create("p", { class: "counts", text: data.counts })),
    create("div", { class: "bar" }, play, restart, heal, create("label", { text: "speed " }, rate, rateText),
      create("label", { class: "wide", text: "time " }, scrub, clock)),
    create("main", {},
      create("section", { class: "left" }, stage,
        create("div", { class: "bar" }, search, known,
          create("label", { text: "strongest synapses " }, strongest, strongestText),
          ...(data.groups.length ? [create("label", {}, grouping, " by class")] : []),
          create("span", { class: "scale" }, "low ", create("span", { class: "ramp" }), " high"))),
      create("section", { class: "right" },
        card,
        create("h2", { text: "Outputs" }), outputChart, outputLegend,
        create("h2", { text: "Neurons" }), traceChart, traceLegend,
        create("h2", { text: "Input" }), create("div", { class: "bar" }, source), sliders)),
  );

  // -- input
  const hands = data.sliders.map((one, k) => {
    const value = create("output", { text: brief(one.start) });
    const hand = create("input", {
      type: "range", min: String(one.low), max: String(one.high), step: String((one.high - one.low) / 200), value: String(one.start),
      "aria-label": one.name,
      oninput: (event) => {
        run.manual[k] = Number(event.target.value);
        value.textContent = brief(run.manual[k]);
        run.recorded = false;
        source.value = "manual";
      },
    });
    sliders.append(create("label", {}, create("span", { text: one.name }), hand, value));
    return [hand, value];
  });
  source.value = run.recorded ? "recorded" : "manual";

  // -- the drawing
  let candidates = [], shownEdges = data.synapses.length;
  const faint = () => Math.min(Math.max(6 / Math.sqrt(shownEdges || 1), 0.07), 0.75);
  const graph = drawn(picture, data, dense, faint);

  function filter() {
    shownEdges = Math.ceil((candidates.length * Number(strongest.value)) / 100);
    graph.batch(() => candidates.forEach(({ id }, rank) => graph.getElementById(id).toggleClass("hidden", rank >= shownEdges)));
    graph.style().update();
    strongestText.textContent = `${shownEdges} of ${candidates.length}`;
  }

  // Lines that may be drawn, strongest first; of a crowd only some at first.
  function choose(lines) {
    candidates = lines.sort((a, b) => b.count - a.count);
    const share = candidates.length > data.crowded ? (100 * DRAWN_AT_FIRST) / candidates.length : 100;
    strongest.value = String(share);
    filter();
  }

  // Cells of a class become one node, their synapses one edge; clicking it does to all what is done to one.
  const groups = new Map(data.groups.map((name) => [name, data.cells.flatMap((cell, k) => (cell.group === name ? [k] : []))]));
  function gather() {
    const lines = [];
    graph.batch(() => {
      graph.remove(".bundle");
      graph.nodes().removeClass("hidden");
      const member = new Map();
      for (const [name, cells] of grouping.checked ? groups : []) {
        const middle = (axis) => cells.reduce((sum, k) => sum + data.cells[k][axis], 0) / cells.length;
        const size = Math.sqrt(cells.reduce((sum, k) => sum + data.cells[k].size ** 2, 0));
        graph.add({ data: { id: `g${name}`, name, label: `${name} (${cells.length})`, size: Math.min(size, 60), output: 0 }, classes: "bundle", position: { x: middle("x"), y: middle("y") } });
        for (const k of cells) { member.set(k, `g${name}`); graph.getElementById(`n${k}`).addClass("hidden"); }
      }
      const sums = new Map();
      data.synapses.forEach((one, k) => {
        const from = member.get(one.pre) ?? `n${one.pre}`, to = member.get(one.post) ?? `n${one.post}`;
        if (from === `n${one.pre}` && to === `n${one.post}`) { lines.push({ id: `e${k}`, count: one.count }); return; }
        graph.getElementById(`e${k}`).addClass("hidden");
        const id = `b${from} ${to} ${one.kind} ${one.sign}`, there = sums.get(id);
        sums.set(id, { id, from, to, one, count: (there ? there.count : 0) + one.count });
      });
      for (const { id, from, to, one, count } of sums.values()) {
        if (from === to) continue;
        lines.push({ id, count });
        graph.add({
          data: { id, source: from, target: to, colour: one.kind === "gap" ? "#8a6d3b" : SIGNS[one.sign], width: Math.min(0.6 + Math.sqrt(count) * 0.35, 9), kind: one.kind },
          classes: `bundle ${one.kind}`,
        });
      }
    });
    choose(lines);
    marks();
    graph.fit(undefined, 24);
  }

  const cellsOf = (node) => (node.id().startsWith("g") ? groups.get(node.data("name")).map((k) => data.cells[k]) : [data.cells[Number(node.id().slice(1))]]);

  graph.on("tap", "node", (event) => show(event.target));
  graph.on("tap", "edge", (event) => { if (event.target.id().startsWith("e")) show(event.target); });
  graph.on("tap", (event) => { if (event.target === graph) show(null); });

  function pick(name) {
    const number = data.cells.findIndex((cell) => cell.name.toLowerCase() === name.trim().toLowerCase());
    if (number < 0) return;
    const node = graph.getElementById(`n${number}`);
    graph.elements().unselect();
    node.select();
    show(node);
  }

  const isGone = (one) => run.network.lesions.some((cut) => cut.length === one.length && cut.every((name, k) => name === one[k]));
  function toggle(cuts) {
    const gone = cuts.every(isGone);
    const left = run.network.lesions.filter((cut) => !cuts.some((one) => one.length === cut.length && one.every((name, k) => name === cut[k])));
    run.network.restore();
    for (const cut of [...left, ...(gone ? [] : cuts)]) cut.length === 1 ? run.network.lesion(cut[0]) : run.network.lesionSynapse(cut[0], cut[1]);
    marks();
    show(chosen);
  }

  function marks() {
    graph.batch(() => {
      graph.nodes().forEach((node) => node.toggleClass("gone", cellsOf(node).every((cell) => isGone([cell.name]))));
      data.synapses.forEach((one, k) => graph.getElementById(`e${k}`).toggleClass("gone", isGone([data.cells[one.pre].name, data.cells[one.post].name])));
    });
    heal.disabled = !run.lesioned;
    repaint();
  }

  // What every frame colours: worked out when the drawing or the lesions change, and not sixty times a second.
  let painted = [];
  function repaint() {
    painted = graph.nodes().filter((node) => !node.hasClass("hidden")).map((node) => {
      const cells = cellsOf(node);
      return {
        node, size: node.data("size"), gone: cells.every((cell) => isGone([cell.name])),
        cells: cells.map((cell) => [neuronAt.get(cell.name), inputAt.get(cell.name)]),
      };
    });
  }

  function show(element) {
    chosen = element;
    graph.edges().removeClass("near");
    card.replaceChildren();
    if (!element) {
      card.append(create("p", { class: "hint", text: "Click a neuron or a synapse: see what it is, follow it, take it out. Drag to move, scroll or pinch to zoom." }));
      return;
    }
    if (element.isEdge()) {
      const one = data.synapses[Number(element.id().slice(1))], ends = [data.cells[one.pre].name, data.cells[one.post].name];
      card.append(
        create("h2", { text: `${ends[0]} ${one.kind === "gap" ? "\u2013" : "\u2192"} ${ends[1]}` }),
        create("p", { text: one.about }),
        create("button", { type: "button", text: isGone(ends) ? "Put it back" : "Take it out", onclick: () => toggle([ends]) }),
      );
      return;
    }
    element.connectedEdges().addClass("near");
    const cells = cellsOf(element), first = cells[0];
    card.append(create("h2", { text: element.data("name") }), create("p", { text: cells.length > 1 ? `${cells.length} cells: ${cells.map((cell) => cell.name).join(", ")}` : first.about }));
    const buttons = create("div", { class: "bar" });
    buttons.append(create("button", { type: "button", text: cells.every((cell) => isGone([cell.name])) ? "Put it back" : "Take it out", onclick: () => toggle(cells.map((cell) => [cell.name])) }));
    const followed = cells.filter((cell) => neuronAt.has(cell.name));
    if (followed.length) {
      const all = followed.every((cell) => pinned.has(cell.name));
      buttons.append(create("button", {
        type: "button", text: all ? "Stop following" : "Follow",
        onclick: () => { for (const cell of followed) all ? pinned.delete(cell.name) : pinned.add(cell.name); legends(); show(element); },
      }));
    }
    card.append(buttons);
  }

  // -- what moves
  function labels() {
    play.textContent = playing ? "Pause" : "Play";
    rateText.textContent = `${brief(speed)}/s`;
  }

  function legends() {
    outputLegend.replaceChildren(...data.outputs.map((one, k) => create("span", { style: `--line:${LINES[k % LINES.length]}`, text: one.name })), ...(data.moreOutputs ? [create("span", { class: "hint", text: `and ${data.moreOutputs} more` })] : []), ...(run.lesioned ? [create("span", { class: "dashed", text: "intact" })] : []));
    traceLegend.replaceChildren(...[...pinned].map((name, k) => create("span", { style: `--line:${LINES[k % LINES.length]}`, text: name })), ...(run.lesioned ? [create("span", { class: "dashed", text: "intact" })] : []));
    if (!pinned.size) traceLegend.append(create("span", { class: "hint", text: "click a neuron and follow it" }));
  }

  const low = Float64Array.from(neurons, () => Infinity), high = Float64Array.from(neurons, () => -Infinity);
  const lowInput = Float64Array.from(inputs, (_, k) => data.sliders[k].low), highInput = Float64Array.from(inputs, (_, k) => data.sliders[k].high);
  function colours(frame) {
    const box = stage.getBoundingClientRect(), scale = window.devicePixelRatio || 1;
    if (glow.width !== Math.round(box.width * scale) || glow.height !== Math.round(box.height * scale)) {
      [glow.width, glow.height] = [Math.round(box.width * scale), Math.round(box.height * scale)];
    }
    const ink = glow.getContext("2d"), zoom = graph.zoom(), pan = graph.pan();
    ink.setTransform(scale, 0, 0, scale, 0, 0);
    ink.clearRect(0, 0, box.width, box.height);
    const paint = (x, y, size, share, gone) => {
      ink.beginPath();
      ink.arc(x * zoom + pan.x, y * zoom + pan.y, Math.max((size / 2) * zoom - 0.5, 1), 0, 2 * Math.PI);
      ink.fillStyle = gone ? "rgba(128,128,128,.15)" : ramp(share);
      ink.fill();
    };
    for (const { node, size, cells, gone } of painted) {
      const { x, y } = node.position();
      let sum = 0;
      for (const [i, k] of cells) {
        const [value, from, to] = i === undefined ? [frame.x[k], lowInput[k], highInput[k]] : [frame.v[i], low[i], high[i]];
        sum += to > from ? (value - from) / (to - from) : 0.5;
      }
      paint(x, y, size, sum / cells.length, gone);
    }
  }

  // Samples come more slowly than frames, and a chart of 300 samples takes longer than all cells: only a new one is drawn.
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  let charted = [];
  function draw() {
    const frames = run.frames, at = shown === null ? frames.length - 1 : Math.min(shown, frames.length - 1);
    const frame = frames[at];
    if (!frame) return;
    colours(frame);
    const now = [frame, shown, frames.length, run.lesioned, dark.matches, stage.clientWidth, ...pinned];
    if (now.length === charted.length && now.every((one, k) => one === charted[k])) return;
    charted = now;
    const mark = shown === null ? undefined : at;
    const lines = (take, names) => names.flatMap((name, k) => {
      const colour = LINES[k % LINES.length];
      const own = { colour, values: frames.map((one) => take(one, k, false)), dashed: false };
      return run.lesioned ? [{ colour, values: frames.map((one) => take(one, k, true)), dashed: true }, own] : [own];
    });
    chart(outputChart, lines((one, k, whole) => (whole ? one.whole : one.y)[data.outputs[k].place], data.outputs), mark);
    const names = [...pinned];
    chart(traceChart, lines((one, k, whole) => (whole ? one.intact : one.v)[neuronAt.get(names[k])], names), mark);
    scrub.max = String(Math.max(frames.length - 1, 1));
    if (shown === null) scrub.value = scrub.max;
    clock.textContent = brief(frame.time);
    if (run.recorded) frame.x.forEach((value, k) => { hands[k][0].value = String(value); hands[k][1].textContent = brief(value); });
  }

  let wasLesioned = false;
  function frame(now) {
    if (stopped) return;
    if (playing) {
      due += Math.min((now - before) / 1000, 0.1) * speed;
      const until = performance.now() + 20;
      while (due >= 1 && performance.now() < until) {
        run.advance();
        const { v } = run.frames[run.frames.length - 1];
        for (let i = 0; i < v.length; ++i) { low[i] = Math.min(low[i], v[i]); high[i] = Math.max(high[i], v[i]); }
        due -= 1;
      }
      due = Math.min(due, 1);
    }
    before = now;
    if (run.lesioned !== wasLesioned) { wasLesioned = run.lesioned; legends(); }
    draw();
    mount.frames += 1;
    requestAnimationFrame(frame);
  }

  // The window may change its size, and a page may be opened in the background, where nothing is drawn.
  const fit = () => { graph.resize(); graph.fit(undefined, 24); };
  // Names stay readable however small the circuit is drawn, unless there are too many of them.
  const sizeNames = () => {
    const size = data.cells.length > 60 ? 11 : Math.max(11, 10 / graph.zoom());
    if (Math.abs(size - named) > 0.5) graph.nodes().style("font-size", (named = size));
  };
  let named = 11;
  graph.on("zoom", sizeNames);
  window.addEventListener("resize", fit);
  labels();
  legends();
  gather();
  show(null);
  run.advance();
  requestAnimationFrame((now) => { before = now; fit(); frame(now); });
  return { run, graph, pick, toggle, stop: () => { stopped = true; window.removeEventListener("resize", fit); graph.destroy(); root.replaceChildren(); } };
}
mount.frames = 0;
