// The page of a run: it shows what the server sends (server-sent events), and sends commands (POST, JSON).

const at = id => document.getElementById(id);
const make = (kind, values = {}) => Object.assign(document.createElement(kind), values);
const SVG = "http://www.w3.org/2000/svg";

if (location.search) history.replaceState(null, "", location.pathname);  // the secret leaves the address bar

async function send(command, more = {}) {
  const answer = await fetch("command", { method: "POST", headers: { "Content-Type": "application/json" },
                                          body: JSON.stringify({ command, ...more }) });
  if (!answer.ok) at("state").textContent = `refused: ${(await answer.text()).trim()}`;
  return answer.ok;
}

// -- state and numbers

const WORDS = { starting: "starting", running: "running", paused: "paused", finished: "finished", stopped: "stopped" };
let state = { state: "starting", controls: [], note: "" };

function showState(found) {
  state = found;
  document.body.dataset.state = found.state;
  at("title").textContent = found.title;
  document.title = `${WORDS[found.state]}: ${found.title}`;
  at("state").textContent = [WORDS[found.state], found.note].filter(Boolean).join(". ");
  for (const name of ["pause", "save", "stop"]) at(name).hidden = !found.controls.includes(name);
  at("pause").textContent = found.state === "paused" ? "Resume" : "Pause";
  at("leave").hidden = !["finished", "stopped"].includes(found.state);
}
at("pause").onclick = () => send(state.state === "paused" ? "resume" : "pause");
at("save").onclick = () => send("save");
at("stop").onclick = () => send("stop");
at("leave").onclick = async () => {
  if (!await send("leave")) return;
  events.close();
  at("leave").hidden = true;
  at("state").textContent = "closed; the tab can be closed too";
};

const numbers = new Map();
function showNumbers(rows) {
  for (const [name, value] of rows) if (value !== null && value !== undefined) numbers.set(name, value);
  at("numbers").replaceChildren(...[...numbers].flatMap(([name, value]) => [
    make("dt", { textContent: name }), make("dd", { textContent: value })]));
}
const digits = (value, n = 3) => !value || Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5 ? String(+value.toPrecision(n)) : value.toExponential(2);
const seconds = s => s < 100 ? `${s.toFixed(1)} s` : `${(s / 60).toFixed(1)} min`;
const decibels = v => `${v.toFixed(2)} dB`;

function showProgress(p) {
  document.body.dataset.step = p.step;
  showNumbers([
    ["step", p.steps === null ? p.step.toLocaleString("en") : `${p.step.toLocaleString("en")} of ${p.steps.toLocaleString("en")}`],
    ["time", p.limit_s ? `${seconds(p.seconds)} of ${seconds(p.limit_s)}` : seconds(p.seconds)],
    ["loss", p.loss === null ? null : digits(p.loss)],
    ["PSNR, estimated", p.psnr_db === null ? null : decibels(p.psnr_db)],
  ]);
}
function showResult(found) {
  showNumbers([["step", found.steps.toLocaleString("en")], ["time", seconds(found.seconds)],
    ...Object.entries(found.metrics).map(([name, value]) => [name.replace(/_db$/, "").replaceAll("_", " ") + ", measured",
      value === null ? null : name.endsWith("_db") ? decibels(value) : digits(value, 4)])]);
}
function showFacts(found) { showNumbers(Object.entries(found)); }

// -- curves

function chart(svg, lines, isLog, format) {
  const [width, height, left, bottom] = [340, 144, 62, 18];
  const points = lines.flatMap(line => line.points.filter(([x, y]) => y !== null && (!isLog || y > 0)));
  if (points.length < 2) return false;
  const across = x => Math.log2(x + 1), up = y => isLog ? Math.log10(y) : y;
  const xs = points.map(p => across(p[0])), ys = points.map(p => up(p[1]));
  const [x0, x1] = [Math.min(...xs), Math.max(...xs)];
  let [y0, y1] = [Math.min(...ys), Math.max(...ys)];
  if (y1 - y0 < 1e-9) { y0 -= .5; y1 += .5; }
  const place = ([x, y]) => [left + (across(x) - x0) / (x1 - x0 || 1) * (width - left - 8),
                             8 + (y1 - up(y)) / (y1 - y0) * (height - bottom - 14)];
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const parts = [];
  const add = (kind, values, text) => {
    const node = document.createElementNS(SVG, kind);
    for (const [name, value] of Object.entries(values)) node.setAttribute(name, value);
    if (text) node.textContent = text;
    parts.push(node);
  };
  for (const share of [0, .5, 1]) {
    const value = y0 + share * (y1 - y0), y = 8 + (1 - share) * (height - bottom - 14);
    add("line", { x1: left, x2: width - 8, y1: y, y2: y, class: "grid" });
    add("text", { x: left - 5, y: y + 4, "text-anchor": "end" }, format(isLog ? 10 ** value : value));
  }
  const [first, last] = [Math.min(...points.map(p => p[0])), Math.max(...points.map(p => p[0]))];
  add("text", { x: left, y: height - 3 }, `step ${first}`);
  add("text", { x: width - 8, y: height - 3, "text-anchor": "end" }, last.toLocaleString("en"));
  lines.forEach((line, i) => {
    const known = line.points.filter(([x, y]) => y !== null && (!isLog || y > 0)).map(place);
    if (!known.length) return;
    add("polyline", { points: known.map(p => p.map(v => v.toFixed(1)).join(",")).join(" "), class: "line" });
    if (lines.length > 1) parts.at(-1).style.stroke = `var(--c${i % 8})`;
  });
  svg.replaceChildren(...parts);
  const ends = lines.map(line => line.points.filter(p => p[1] !== null).at(-1)).filter(Boolean);
  svg.setAttribute("aria-label", `${svg.getAttribute("aria-label").split(":")[0]}: now ${ends.map(p => format(p[1])).join(", ")}`);
  return true;
}

function showCurve(curve) {
  const of = name => [{ points: curve.step.map((step, i) => [step, curve[name][i]]) }];
  at("loss-figure").hidden = !(curve.loss && chart(at("loss"), of("loss"), true, v => digits(v, 2)));
  at("rate-figure").hidden = !(curve.rate && chart(at("rate"), of("rate"), true, v => digits(v, 3)));
  at("psnr-figure").hidden = !chart(at("psnr"), of("psnr_db"), false, v => v.toFixed(1));
}

function showBands(found) {
  const lines = found.edges.map((_, band) => ({ points: found.looks.map(look => [look.step, look.left[band]]) }));
  at("bands-figure").hidden = !chart(at("bands"), lines, true, v => `${digits(100 * v, 2)} %`);
  at("bands-key").replaceChildren("cycles per sample: ", ...found.edges.map(([low, high], i) => {
    const label = make("span", { textContent: `${digits(low, 2)} to ${digits(high, 2)}` });
    const key = make("i");
    key.style.background = `var(--c${i % 8})`;
    label.prepend(key);
    return label;
  }));
}

// -- what is shown: a part of the signal

const flat = at("flat"), stage = at("view");
const wide = matchMedia("(color-gamut: p3)").matches ? { colorSpace: "display-p3" } : {};
const ink = flat.getContext("2d", wide);
const tile = make("canvas", { width: 16, height: 16 }), paper = tile.getContext("2d");
[["#d5d9dd", 0, 0, 16], ["#bfc4c9", 0, 0, 8], ["#bfc4c9", 8, 8, 8]].forEach(([colour, x, y, side]) => {
  paper.fillStyle = colour; paper.fillRect(x, y, side, side);
});
const checks = ink.createPattern(tile, "repeat");  // behind what is transparent
const NAMES = { fit: "Fitted", error: "Error", target: "Target" };
let picture = null, layer = "fit", view = { x: 0, y: 0, w: 1, h: 1 }, part = .5;
let whole = new Map(), close = new Map(), closeBox = null, wave = null, isCropping = false;

async function showPicture(found) {
  const version = ++showPicture.version;
  const isWave = found.view === "wave", isSurface = found.view === "surface";
  const load = async name => {
    const answer = await fetch(`layer/${found.number}/${name}`);
    if (!answer.ok) throw new Error(`layer ${name}`);
    return answer;
  };
  try {
    if (isSurface) {
      const data = await (await load("surface")).arrayBuffer();
      if (version === showPicture.version) surface.take(found, data);
    } else if (isWave) {
      const data = wavesOf(found, new Float32Array(await (await load("wave")).arrayBuffer()));
      if (version === showPicture.version) wave = { ...found, data };
    } else {
      const images = new Map(await Promise.all(found.layers.map(async name =>
        [name, await createImageBitmap(await (await load(name)).blob())])));
      if (version !== showPicture.version) return;
      const [x, y, w, h] = found.box;
      if (x <= 0 && y <= 0 && w >= 1 && h >= 1) { whole = images; close = new Map(); closeBox = null; }
      else { close = images; closeBox = found.box; }
    }
  } catch (error) { return; }  // replaced meanwhile, or the run has ended: the next message brings another
  picture = found;
  flat.hidden = isSurface; at("solid").hidden = !isSurface;
  at("frame").hidden = !(found.frames > 1);
  at("crop").hidden = isSurface;
  at("tools").hidden = at("keys").hidden = false;
  if (isSurface) at("keys").textContent = "Drag to turn, scroll to zoom. Keys: arrows, + and -, 0 for the whole.";
  showLayers(found.layers);
  const error = found.error && found.error.mean !== null ? `, mean error ${digits(found.error.mean)}; in the error, black is 0, light yellow ${digits(found.error.top)}` : "";
  at("about").textContent = `step ${found.step.toLocaleString("en")}, ${describe(found)}${isWave ? error.split(";")[0] : error}`
    + (found.note ? `; ${found.note}` : "");
  stage.setAttribute("aria-label", `${NAMES[layer]}: ${at("about").textContent}`);
  document.body.dataset.picture = found.step;
  document.body.dataset.samples = found.samples.join("x");
  draw();
}
showPicture.version = 0;

function describe(found) {
  if (found.view === "surface") return `${found.triangles.toLocaleString("en")} triangles on ${found.samples[0]} cells a side`;
  const [x, y, w, h] = found.box, [n, m] = found.of;
  const cut = [x * n, y * m, w * n, h * m].map(Math.round);
  if (found.view === "wave") {
    const scale = found.seconds ? v => `${digits(v * found.seconds)} s` : v => Math.round(v * n);
    return `${scale(x)} to ${scale(x + w)}`;
  }
  return w >= 1 && h >= 1 ? `${n} x ${m}` : `crop ${cut.join(",")}`;
}

function showLayers(names) {
  const shown = [...at("layers").querySelectorAll("input")].map(input => input.value);
  if (String(shown) === String(names)) return;
  if (!names.includes(layer)) layer = names[0];
  at("layers").querySelectorAll("label").forEach(label => label.remove());
  for (const name of names) {
    const label = at("layers").appendChild(make("label"));
    const input = label.appendChild(make("input", { type: "radio", name: "layer", value: name, checked: name === layer }));
    label.append(NAMES[name]);
    input.onchange = () => { layer = name; draw(); };
  }
}

function sizes() {
  const ratio = devicePixelRatio || 1, [width, height] = [stage.clientWidth * ratio, stage.clientHeight * ratio].map(Math.round);
  if (flat.width !== width || flat.height !== height) { flat.width = width; flat.height = height; }
  return [width, height];
}

// Where the unit box of the signal lies on the canvas: scale per axis, and the place of its corner.
function placement() {
  const [width, height] = sizes();
  if (picture.view === "wave") return { sx: width / view.w, sy: height, ox: -view.x * width / view.w, oy: 0 };
  const [n, m] = picture.of, scale = Math.min(width / (view.w * n), height / (view.h * m));
  const sx = scale * n, sy = scale * m;
  return { sx, sy, ox: width / 2 - (view.x + view.w / 2) * sx, oy: height / 2 - (view.y + view.h / 2) * sy };
}

function draw() {
  if (!picture) return;
  if (picture.view === "surface") return surface.draw();
  const p = placement();
  ink.clearRect(0, 0, flat.width, flat.height);
  if (picture.view === "wave") return drawWave(p);
  const put = (image, [x, y, w, h]) => {
    ink.imageSmoothingEnabled = p.sx * w < 2 * image.width;
    if (picture.alpha && layer !== "error") {
      ink.fillStyle = checks;
      ink.fillRect(p.ox + x * p.sx, p.oy + y * p.sy, w * p.sx, h * p.sy);
    }
    ink.drawImage(image, p.ox + x * p.sx, p.oy + y * p.sy, w * p.sx, h * p.sy);
  };
  if (whole.has(layer)) put(whole.get(layer), [0, 0, 1, 1]);
  if (close.has(layer)) put(close.get(layer), closeBox);
  document.body.dataset.shown = layer;
}

// By layer and channel: pairs of the least and the largest value of each column.
function wavesOf({ layers, channels }, values) {
  const n = values.length / layers.length / channels;
  const part = at => Array.from({ length: n / 2 }, (_, i) => [values[at + 2 * i], values[at + 2 * i + 1]]);
  return Object.fromEntries(layers.map((name, i) =>
    [name, Array.from({ length: channels }, (_, c) => part((i * channels + c) * n))]));
}

function drawWave(p) {
  const colours = getComputedStyle(document.documentElement), columns = (wave.data[layer] || wave.data.fit);
  const height = flat.height / columns.length, [x0, , w] = wave.box;
  columns.forEach((spans, c) => {
    const middle = (c + .5) * height, y = v => middle - v * .46 * height;
    ink.fillStyle = colours.getPropertyValue("--faint"); ink.fillRect(0, middle, flat.width, 1);
    ink.fillStyle = colours.getPropertyValue(layer === "error" ? "--c1" : layer === "target" ? "--c2" : "--c0");
    spans.forEach(([low, high], i) => {
      const [under, over] = spans[Math.max(0, i - 1)];
      low = Math.min(low, over); high = Math.max(high, under);  // no gap at steep places
      const left = p.ox + (x0 + w * i / spans.length) * p.sx, right = p.ox + (x0 + w * (i + 1) / spans.length) * p.sx;
      ink.fillRect(left, y(high), Math.max(1, right - left), Math.max(1, y(low) - y(high)));
    });
  });
  document.body.dataset.shown = layer;
}

// -- moving about

let asked = 0;
function moved() {
  view.w = Math.min(1, Math.max(4e-3, view.w)); view.h = Math.min(1, Math.max(4e-3, view.h));
  view.x = Math.min(1 - view.w, Math.max(0, view.x)); view.y = Math.min(1 - view.h, Math.max(0, view.y));
  document.body.dataset.view = [view.x, view.y, view.w, view.h].map(v => v.toFixed(4)).join(" ");
  draw();
  clearTimeout(asked);
  asked = setTimeout(() => send("view", { ...view, at: part, px: Math.max(...sizes()) }), 120);
}
function zoom(factor, [u, v] = [view.x + view.w / 2, view.y + view.h / 2]) {
  if (picture && picture.view === "surface") return surface.zoom(factor);
  const [w, h] = [Math.min(1, view.w * factor), Math.min(1, view.h * factor)];
  const one = picture && picture.view === "wave";
  view = { x: u - (u - view.x) * w / view.w, y: one ? 0 : v - (v - view.y) * h / view.h, w, h: one ? 1 : h };
  moved();
}
function home() {
  if (picture && picture.view === "surface") return surface.home();
  view = { x: 0, y: 0, w: 1, h: 1 }; moved();
}
function shift(dx, dy) {
  if (picture && picture.view === "surface") return surface.turn(dx * 2, dy * 2);
  view.x += dx * view.w; view.y += dy * view.h; moved();
}
at("in").onclick = () => zoom(1 / 1.5);
at("out").onclick = () => zoom(1.5);
at("whole").onclick = home;
at("crop").onclick = () => {
  isCropping = !isCropping;
  at("crop").setAttribute("aria-pressed", isCropping); stage.classList.toggle("cropping", isCropping);
};
at("at").oninput = () => { part = +at("at").value; moved(); };
stage.addEventListener("keydown", event => {
  const keys = { ArrowLeft: () => shift(-.1, 0), ArrowRight: () => shift(.1, 0), ArrowUp: () => shift(0, -.1),
                 ArrowDown: () => shift(0, .1), "+": () => zoom(1 / 1.5), "=": () => zoom(1 / 1.5),
                 "-": () => zoom(1.5), 0: home, Escape: () => isCropping && at("crop").click() };
  if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault(); keys[event.key]();
});

function unit(event) {  // the place of a pointer in the unit box of the signal
  const box = stage.getBoundingClientRect(), ratio = devicePixelRatio || 1, p = placement();
  return [((event.clientX - box.left) * ratio - p.ox) / p.sx, ((event.clientY - box.top) * ratio - p.oy) / p.sy];
}
let from = null;
stage.addEventListener("pointerdown", event => {
  if (!picture || event.button) return;
  stage.setPointerCapture(event.pointerId);
  from = { x: event.clientX, y: event.clientY, start: picture.view === "surface" ? null : unit(event), first: event };
});
stage.addEventListener("pointermove", event => {
  if (!from) return;
  const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
  if (isCropping && from.start) {
    const box = stage.getBoundingClientRect(), mark = at("box");
    const [x0, x1] = [from.first.clientX, event.clientX].sort((a, b) => a - b);
    const [y0, y1] = [from.first.clientY, event.clientY].sort((a, b) => a - b);
    mark.hidden = false;
    Object.assign(mark.style, { left: `${x0 - box.left}px`, top: `${y0 - box.top}px`, width: `${x1 - x0}px`, height: `${y1 - y0}px` });
    return;
  }
  from.x = event.clientX; from.y = event.clientY;
  if (!from.start) return surface.turn(-dx * .01, dy * .01);
  const p = placement(), ratio = devicePixelRatio || 1;
  view.x -= dx * ratio / p.sx; view.y -= picture.view === "wave" ? 0 : dy * ratio / p.sy;
  moved();
});
for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, event => {
  if (from && from.start && isCropping && name === "pointerup") {
    const [a, b] = [from.start, unit(event)], one = picture.view === "wave";
    const [x0, x1] = [a[0], b[0]].sort((p, q) => p - q), [y0, y1] = one ? [0, 1] : [a[1], b[1]].sort((p, q) => p - q);
    if (x1 - x0 > 1e-3 && y1 - y0 > 1e-3) { view = { x: x0, y: y0, w: x1 - x0, h: y1 - y0 }; moved(); }
    at("crop").click();
  }
  at("box").hidden = true; from = null;
});
stage.addEventListener("wheel", event => {
  event.preventDefault();
  zoom(Math.exp(event.deltaY * .0015), picture && picture.view !== "surface" ? unit(event) : undefined);
}, { passive: false });
new ResizeObserver(() => picture ? draw() : sizes()).observe(stage);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

// -- surfaces: triangles by WebGL 2, turned by the pointer

const surface = (() => {
  const canvas = at("solid");
  let gl = null, program, counts = 0, yaw = .6, pitch = .4, distance = 3.2, names = {};
  function start() {
    gl = canvas.getContext("webgl2", { antialias: true, alpha: true, preserveDrawingBuffer: true });
    if (!gl) { at("about").textContent = "This browser has no WebGL 2, so the surface is not shown."; return false; }
    program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, `#version 300 es
      in vec3 place, normal; in vec4 colour; uniform mat3 turn; uniform vec3 view; out vec3 n; out vec3 c;
      void main() {
        vec3 p = turn * place; n = turn * normal; c = colour.rgb;
        gl_Position = vec4(p.xy * 2.4 / view.xy, 0.0, view.z - p.z);
        gl_Position.z = (view.z - p.z - 0.1) / 12.0 * 2.0 * gl_Position.w - gl_Position.w;
      }`], [gl.FRAGMENT_SHADER, `#version 300 es
      precision highp float; in vec3 n; in vec3 c; uniform float shows; out vec4 color;
      void main() {
        vec3 m = normalize(gl_FrontFacing ? n : -n), base = mix(vec3(0.42, 0.62, 0.8), c, shows);
        float light = 0.35 + 0.65 * max(dot(m, normalize(vec3(0.5, 0.7, 1.0))), 0.0);
        color = vec4(base * mix(light, 0.6 + 0.4 * light, shows), 1.0);
      }`]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text); gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program); gl.useProgram(program); gl.enable(gl.DEPTH_TEST);
    for (const name of ["turn", "view", "shows"]) names[name] = gl.getUniformLocation(program, name);
    return true;
  }
  function take(found, data) {
    if (!gl && !start()) return;
    const n = found.vertices, parts = [["place", 3, gl.FLOAT, false, 12], ["normal", 3, gl.FLOAT, false, 12], ["colour", 4, gl.UNSIGNED_BYTE, true, 4]];
    let offset = 0;
    for (const [name, size, kind, isScaled, bytes] of parts) {
      const where = gl.getAttribLocation(program, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, take[name] ||= gl.createBuffer());
      gl.bufferData(gl.ARRAY_BUFFER, new Uint8Array(data, offset, n * bytes), gl.DYNAMIC_DRAW);
      gl.enableVertexAttribArray(where); gl.vertexAttribPointer(where, size, kind, isScaled, 0, 0);
      offset += n * bytes;
    }
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, take.faces ||= gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, new Uint8Array(data, offset), gl.DYNAMIC_DRAW);
    counts = 3 * found.triangles;
  }
  function drawSurface() {
    if (!gl) return;
    const [width, height] = sizes(), side = Math.min(width, height);
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    const [a, b, c, d] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0); gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.uniformMatrix3fv(names.turn, true, [a, 0, -b, -b * d, c, -a * d, b * c, d, a * c]);
    gl.uniform3fv(names.view, [width / side, height / side, distance]);
    gl.uniform1f(names.shows, layer === "error" ? 1 : 0);
    gl.drawElements(gl.TRIANGLES, counts, gl.UNSIGNED_INT, 0);
    document.body.dataset.shown = layer;
  }
  const limit = (v, low, high) => Math.min(high, Math.max(low, v));
  return {
    take, draw: drawSurface,
    turn: (x, y) => { yaw += x; pitch = limit(pitch + y, -1.55, 1.55); document.body.dataset.view = `${yaw.toFixed(2)} ${pitch.toFixed(2)}`; drawSurface(); },
    zoom: factor => { distance = limit(distance * factor, 1.6, 10); drawSurface(); },
    home: () => { yaw = .6; pitch = .4; distance = 3.2; drawSurface(); },
  };
})();

// -- what the server says

const events = new EventSource("events");
const shows = { state: showState, progress: showProgress, curve: showCurve, bands: showBands, picture: showPicture,
                result: showResult, facts: showFacts };
for (const [name, show] of Object.entries(shows)) events.addEventListener(name, event => show(JSON.parse(event.data)));
events.onerror = () => {
  const isOver = ["finished", "stopped"].includes(state.state);
  at("state").textContent = isOver ? `${WORDS[state.state]}; the page's server has ended, too` : "no connection to the fit; trying again";
};
events.onopen = () => { showState(state); send("view", { ...view, at: part, px: Math.max(...sizes()) }); };
