// The page's half of the latent-space explorer. The other, __init__.py, holds codes, images and decoder.
//
// One canvas for all points: each panel is written pixel by pixel into one buffer. A second one on top holds what
// moves: cursor, brush, ends. Coordinates on both are device pixels, so that they are sharp on any screen.

const PAPER = 0xffffffff, PALE = 0xffdcdcdc; // as the buffer has them: alpha, blue, green, red
const MOST_AXES = 10;
const MOST_MARKS = 1000; // points that are written as marks; more take longer than a frame
const NEAR = 10; // CSS pixels around the pointer in which a point counts as meant
const OUR_KEYS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End", "Enter", " ", "Escape"];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function make(parent, tag, className = "", properties = {}) {
  const node = Object.assign(document.createElement(tag), properties);
  if (className) node.className = className;
  parent?.append(node);
  return node;
}

const written = (number) => number.toLocaleString("en");
const bytes = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
// a copy: in the message a float may begin at any byte
const floats = (view) => new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));

// Return a function that does `work` once before the next frame, however often it is called until then.
function perFrame(work) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; work(); });
  };
}

// Draw image number `index` of uint8 `pixels`. Grey is ink on paper, as in every figure of the course.
function drawImage(canvas, [rows, columns, bands], pixels, index = 0) {
  Object.assign(canvas, { width: columns, height: rows });
  const image = new ImageData(columns, rows), start = index * rows * columns * bands;
  for (let k = 0; k < rows * columns; k++) {
    for (let band = 0; band < 3; band++) {
      image.data[4 * k + band] = bands === 1 ? 255 - pixels[start + k] : pixels[start + 3 * k + band];
    }
    image.data[4 * k + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// Write with a white edge, to be read on any points.
function writeOnPaper(pen, text, x, y, colour) {
  pen.strokeStyle = "#fff";
  pen.strokeText(text, x, y);
  pen.fillStyle = colour;
  pen.fillText(text, x, y);
}

// Questions to Python: one of each kind under way; while it is, only the newest waits.
class Questions {
  constructor(model, answers) {
    Object.assign(this, { model, answers, lanes: {}, view: String(Math.random()) });
    this.listener = (answer, buffers) => this.receive(answer, buffers);
    model.on("msg:custom", this.listener);
    // Jupyter's server leaves Nagle's algorithm on: it holds a small message back until the one before it is
    // acknowledged, which a page with nothing to say does after 40 ms. So say something: to "busy", which the answer
    // follows, and while a question is under way to the "idle" that follows what was said last.
    this.callbacks = this.onStatus("busy", () => this.nudge());
    this.afterNudge = this.onStatus("idle", () => { if (Object.values(this.lanes).some((lane) => lane.busy)) this.nudge(); });
  }

  onStatus(state, work) {
    return { iopub: { status: ({ content }) => { if (content.execution_state === state) work(); } } };
  }

  nudge() { this.model.send({ kind: "nudge" }, this.afterNudge); }

  get shows() { return this.model.get("scene").shows; }

  ask(kind, some = {}, data = null) {
    const facts = { shows: this.shows, ...some }; // a question that waits keeps those it was asked with
    const lane = (this.lanes[kind] ??= { busy: false, next: null });
    if (lane.busy) { lane.next = [facts, data]; return; }
    Object.assign(lane, { busy: true, facts });
    lane.patience = setTimeout(() => this.answers.error("Waiting for Python. If it was restarted, run this cell again."), 1000);
    this.model.send({ kind, view: this.view, ...facts }, this.callbacks, data ? [data] : []);
  }

  receive(answer, buffers) {
    if (answer.view !== this.view) return; // asked by another view of the same widget: each hears every answer
    const lane = this.lanes[answer.kind], { facts, next } = lane;
    Object.assign(lane, { busy: false, next: null });
    clearTimeout(lane.patience);
    if (next) this.ask(answer.kind, ...next);
    this.answers.error("");
    if (facts.shows !== this.shows && answer.kind !== "images") return; // other points were shown since
    if (answer.error) this.answers.error(answer.error);
    else this.answers[answer.kind]?.(answer, buffers[0], facts);
  }

  close() { this.model.off("msg:custom", this.listener); }
}

// What Python handed over, with each axis scaled to 0..1.
function readScene(model) {
  const scene = { ...model.get("scene"), points: floats(model.get("points")), start: floats(model.get("start")) };
  scene.labels = bytes(model.get("labels"));
  scene.count = scene.labels.length;
  const bounds = floats(model.get("bounds")), all = scene.axes.length;
  scene.low = bounds.subarray(0, all);
  scene.high = bounds.subarray(all);
  scene.span = scene.high.map((high, axis) => high - scene.low[axis]);
  scene.unit = new Float32Array(scene.points.length);
  for (let axis = 0; axis < all; axis++) {
    for (let i = axis * scene.count; i < (axis + 1) * scene.count; i++) {
      scene.unit[i] = scene.span[axis] > 0 ? (scene.points[i] - scene.low[axis]) / scene.span[axis] : 0.5;
    }
  }
  scene.statistics = readStatistics(floats(model.get("statistics")), scene);
  for (const one of scene.classes) {
    const [red, green, blue] = [1, 3, 5].map((at) => parseInt(one.colour.slice(at, at + 2), 16));
    one.word = ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  }
  return scene;
}

// One entry per class: count, means and spreads on all axes.
function readStatistics(numbers, { classes, axes }) {
  const width = 1 + 2 * axes.length;
  return classes.map((_, k) => {
    const row = numbers.subarray(k * width, (k + 1) * width);
    return { count: row[0], means: row.subarray(1, axes.length + 1), spreads: row.subarray(axes.length + 1) };
  });
}

// ---- the scatter-plot matrix ----

class Matrix {
  // `on` is told: pick(index), brush(mask or null), hover(index).
  constructor(parent, on) {
    this.on = on;
    this.box = make(parent, "div", "matrix", { tabIndex: 0, role: "application" });
    this.box.setAttribute("aria-roledescription", "scatter-plot matrix");
    this.base = make(this.box, "canvas", "points");
    this.overlay = make(this.box, "canvas", "overlay");
    this.tip = make(this.box, "div", "tip", { hidden: true });
    this.tipImage = make(this.tip, "canvas", "image");
    this.tipText = make(this.tip, "span");
    this.refit = perFrame(() => { if (this.scene && this.layout()) { this.draw(); this.drawOverlay(); } });
    this.redraw = perFrame(() => { if (this.panels) { this.draw(); this.drawOverlay(); } });
    this.redrawOverlay = perFrame(() => { if (this.panels) this.drawOverlay(); });
    this.observer = new ResizeObserver(this.refit);
    this.observer.observe(parent);
    this.watchScale();
    for (const kind of ["pointerdown", "pointermove", "pointerup", "pointercancel", "pointerleave", "keydown", "blur", "focus"]) {
      this.box.addEventListener(kind, (event) => this[kind](event));
    }
  }

  open(scene) {
    const isSame = this.scene?.shows === scene.shows; // the same points along other axes: what was chosen stays
    Object.assign(this, { scene, brush: null, hovered: -1, active: 0 });
    this.tip.hidden = true;
    if (!isSame) Object.assign(this, { mask: null, brushed: null, ends: [], classes: new Set() });
    this.refit();
  }

  // Another zoom or another screen: as many device pixels as that has.
  watchScale() {
    this.screen = window.matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`);
    this.screen.onchange = () => { this.watchScale(); this.refit(); };
  }

  // Lay out the lower triangle in the room there is; false as long as there is none.
  layout() {
    const room = Math.min(this.box.parentNode.clientWidth, 640), scale = window.devicePixelRatio || 1;
    if (room < 40) return false;
    const { shown } = this.scene, many = shown.length - 1, gap = Math.round(5 * scale);
    const margin = Math.round(36 * scale), foot = Math.round(20 * scale);
    const side = Math.min(Math.floor((room * scale - margin - gap * many) / many), Math.round(440 * scale));
    this.scale = scale;
    this.side = side;
    const each = side / scale / Math.sqrt(this.scene.count); // the side of the square that a point has to itself
    this.dot = Math.round((each < 1 ? 1 : each < 4 ? 2 : each < 10 ? 3 : 4) * scale);
    this.width = margin + many * (side + gap);
    this.height = foot + many * (side + gap);
    this.panels = [];
    for (let row = 1; row <= many; row++) {
      for (let column = 0; column < row; column++) {
        const left = margin + column * (side + gap), top = (row - 1) * (side + gap);
        this.panels.push({ x: shown[column], y: shown[row], left, top, first: column === 0, last: row === many });
      }
    }
    for (const canvas of [this.base, this.overlay]) {
      Object.assign(canvas, { width: this.width, height: this.height });
      canvas.style.width = `${this.width / scale}px`;
      canvas.style.height = `${this.height / scale}px`;
    }
    return true;
  }

  // Where point i is in a panel: its upper left device pixel.
  at(panel, i) {
    const { unit, count } = this.scene, room = this.side - this.dot - 2;
    return [
      panel.left + 1 + Math.trunc(unit[panel.x * count + i] * room),
      panel.top + 1 + Math.trunc((1 - unit[panel.y * count + i]) * room),
    ];
  }

  draw() {
    const { classes, labels, count } = this.scene, pen = this.base.getContext("2d");
    const image = new ImageData(this.width, this.height), pixels = new Uint32Array(image.data.buffer);
    pixels.fill(PAPER);
    const words = Uint32Array.from(classes, (one) => one.word), inFront = [], behind = [];
    for (let i = 0; i < count; i++) (!this.mask || this.mask[i] ? inFront : behind).push(i);
    const few = inFront.length <= MOST_MARKS && this.side / this.scale > 8 * Math.sqrt(inFront.length);
    const dots = Int32Array.from(few ? behind : behind.concat(inFront));
    const inks = Uint32Array.from(dots, (i) => (!this.mask || this.mask[i] ? words[labels[i]] : PALE));
    for (const panel of this.panels) this.scatter(pixels, panel, dots, inks);
    pen.putImageData(image, 0, 0);
    for (const panel of this.panels) {
      if (few) this.write(pen, panel, inFront);
      this.decorate(pen, panel);
    }
    this.box.dataset.drawn = Number(this.box.dataset.drawn ?? 0) + 1;
  }

  // Blend points into the buffer, half and half with what is there: a lone point is pale, a crowd is full.
  scatter(pixels, panel, dots, inks) {
    const { unit, count } = this.scene, { width, dot } = this, room = this.side - dot - 2;
    const across = panel.x * count, up = panel.y * count, left = panel.left + 1, top = panel.top + 1;
    for (let k = 0; k < dots.length; k++) {
      const i = dots[k], ink = inks[k];
      const corner = (top + ((1 - unit[up + i]) * room | 0)) * width + left + (unit[across + i] * room | 0);
      for (let row = 0, start = corner; row < dot; row++, start += width) {
        for (let at = start; at < start + dot; at++) {
          pixels[at] = (((pixels[at] ^ ink) & 0xfefefefe) >>> 1) + (pixels[at] & ink);
        }
      }
    }
  }

  // Where there is room, a point is the mark of its class, which needs no colour.
  write(pen, panel, indices) {
    const { classes, labels } = this.scene;
    pen.font = `${9 * this.scale}px sans-serif`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (const i of indices) {
      const [x, y] = this.at(panel, i).map((value) => value + this.dot / 2);
      pen.fillStyle = classes[labels[i]].colour;
      pen.fillText(classes[labels[i]].mark, x, y);
    }
  }

  // Frame, names of the axes and, where there is room, the mark of each class at its mean.
  decorate(pen, panel) {
    const { scale, side } = this, { axes, statistics, classes, low, span } = this.scene;
    pen.lineJoin = "round";
    pen.strokeStyle = "#b8b8b8";
    pen.lineWidth = 1;
    pen.strokeRect(panel.left + 0.5, panel.top + 0.5, side - 1, side - 1);
    pen.fillStyle = "#333";
    pen.font = `${12 * scale}px sans-serif`;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    if (panel.first) pen.fillText(axes[panel.y], panel.left - 5 * scale, panel.top + side / 2);
    pen.textAlign = "center";
    if (panel.last) pen.fillText(axes[panel.x], panel.left + side / 2, panel.top + side + 11 * scale);
    if (side / scale < 90) return;
    pen.font = `bold ${(side / scale < 150 ? 11 : 14) * scale}px sans-serif`;
    pen.lineWidth = 3 * scale;
    classes.forEach((one, k) => {
      if (!statistics[k].count || !this.isShown(k)) return;
      const [u, v] = [panel.x, panel.y].map((axis) => (statistics[k].means[axis] - low[axis]) / (span[axis] || 1));
      writeOnPaper(pen, one.mark, panel.left + u * side, panel.top + (1 - v) * side, one.colour);
    });
  }

  isShown(k) { return !this.classes.size || this.classes.has(k); }

  drawOverlay() {
    const pen = this.overlay.getContext("2d"), { scale, side, brush } = this;
    pen.clearRect(0, 0, this.width, this.height);
    pen.lineJoin = "round";
    pen.lineWidth = 1.5 * scale;
    pen.strokeStyle = "#000";
    const home = brush && this.panels.find((panel) => panel.x === brush.x && panel.y === brush.y);
    if (home) {
      const [[x0, y0], [x1, y1]] = brush.corners.map((corner) => this.onCanvas(home, corner));
      pen.fillStyle = "rgba(0, 0, 0, 0.06)";
      for (const draw of ["fillRect", "strokeRect"]) pen[draw](x0, y0, x1 - x0, y1 - y0);
    }
    const active = this.panels[this.active];
    if (this.keyboard && active) pen.strokeRect(active.left, active.top, side, side);
    for (const panel of this.panels) {
      this.ends.forEach((i, k) => this.ring(pen, panel, i, this.ends.length > 1 ? "AB"[k] : ""));
      if (this.hovered >= 0) this.ring(pen, panel, this.hovered, "");
    }
  }

  ring(pen, panel, i, letter) {
    const { scale } = this, [x, y] = this.at(panel, i).map((value) => value + this.dot / 2);
    for (const [colour, width] of [["#fff", 4], ["#000", 1.5]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = width * scale;
      pen.beginPath();
      pen.arc(x, y, 5 * scale, 0, 7);
      pen.stroke();
    }
    if (!letter) return;
    pen.font = `bold ${12 * scale}px sans-serif`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.lineWidth = 4 * scale;
    writeOnPaper(pen, letter, x, y + (y - 13 * scale < panel.top ? 13 : -13) * scale, "#000");
  }

  // ---- pointer ----

  place(event) {
    const frame = this.overlay.getBoundingClientRect();
    return [(event.clientX - frame.left) * this.scale, (event.clientY - frame.top) * this.scale];
  }

  panelAt([x, y]) {
    const inside = (value, start) => value >= start && value < start + this.side;
    return this.panels?.find((panel) => inside(x, panel.left) && inside(y, panel.top));
  }

  nearest(panel, [x, y], reach = NEAR * this.scale) {
    let best = reach * reach, found = -1;
    for (let i = 0; i < this.scene.count; i++) {
      if (this.mask && !this.mask[i]) continue;
      const [px, py] = this.at(panel, i), distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance < best) { best = distance; found = i; }
    }
    return found;
  }

  pointerdown(event) {
    const place = this.place(event), panel = this.panelAt(place);
    if (!panel || event.button) return;
    this.box.setPointerCapture(event.pointerId);
    this.press = { panel, place };
    this.keyboard = false;
    this.active = this.panels.indexOf(panel);
  }

  pointermove(event) {
    const place = this.place(event);
    if (!this.press) { const panel = this.panelAt(place); this.hover(panel ? this.nearest(panel, place) : -1, panel); return; }
    const { panel, place: from } = this.press;
    if (!this.press.moved && Math.hypot(place[0] - from[0], place[1] - from[1]) < 4 * this.scale) return;
    this.press.moved = true;
    this.hover(-1);
    this.drag(panel, from, place);
  }

  pointerup() {
    const { press } = this;
    this.press = null;
    if (!press || press.moved) return;
    const found = this.nearest(press.panel, press.place);
    if (found >= 0) this.on.pick(found);
    else this.clear();
  }

  pointercancel() { this.press = null; }

  pointerleave() { if (!this.press) this.hover(-1); }

  hover(i, panel = this.panels?.[this.active]) {
    if (i === this.hovered) return;
    this.hovered = i;
    this.redrawOverlay();
    this.tip.hidden = i < 0;
    if (i < 0) return;
    this.on.hover(i);
    const [x, y] = this.at(panel, i).map((value) => value / this.scale), room = this.width / this.scale;
    this.tip.style.left = `${x > room / 2 ? x - this.tip.offsetWidth - 14 : x + 14}px`;
    this.tip.style.top = `${Math.max(0, y - this.tip.offsetHeight / 2)}px`;
  }

  // From canvas to 0..1 on both axes of a panel, and back.
  inPanel(panel, [x, y]) {
    const edge = 1 + this.dot / 2, room = this.side - this.dot - 2, clamp = (value) => Math.max(-0.01, Math.min(1.01, value));
    return [clamp((x - panel.left - edge) / room), clamp(1 - (y - panel.top - edge) / room)];
  }

  onCanvas(panel, [u, v]) {
    const edge = 1 + this.dot / 2, room = this.side - this.dot - 2;
    return [panel.left + edge + u * room, panel.top + edge + (1 - v) * room];
  }

  drag(panel, from, to) {
    this.brush = { x: panel.x, y: panel.y, corners: [this.inPanel(panel, from), this.inPanel(panel, to)] };
    this.brushed = Uint8Array.from({ length: this.scene.count }, (_, i) => this.isBrushed(i));
    this.apply();
  }

  clear() {
    this.brush = this.brushed = null;
    this.apply();
  }

  // Which points are in the brush and of a chosen class; null where neither leaves any out.
  apply() {
    const { scene, brushed } = this;
    this.mask = brushed || this.classes.size ? new Uint8Array(scene.count) : null;
    for (let i = 0; this.mask && i < scene.count; i++) {
      this.mask[i] = this.isShown(scene.labels[i]) && (!brushed || brushed[i]);
    }
    this.redraw();
    this.on.brush(this.mask);
  }

  isBrushed(i) {
    const { x, y, corners: [from, to] } = this.brush, { unit, count } = this.scene;
    const between = (value, at) => value >= Math.min(from[at], to[at]) && value <= Math.max(from[at], to[at]);
    return between(unit[x * count + i], 0) && between(unit[y * count + i], 1);
  }

  // ---- keyboard ----

  focus() { this.keyboard = this.box.matches(":focus-visible"); this.redrawOverlay(); }

  blur() { this.keyboard = false; this.hover(-1); this.redrawOverlay(); }

  keydown(event) {
    const step = ARROWS[event.key], actions = {
      Enter: () => { if (this.hovered >= 0) this.on.pick(this.hovered); },
      Escape: () => this.clear(),
      PageDown: () => this.turn(1),
      PageUp: () => this.turn(-1),
    };
    const action = step ? () => (event.shiftKey ? this.stretch(step) : this.walk(step)) : actions[event.key];
    if (!action || !this.panels) return;
    event.preventDefault();
    this.keyboard = true;
    action();
  }

  turn(by) {
    this.active = (this.active + by + this.panels.length) % this.panels.length;
    const i = this.hovered;
    this.hovered = -1; // so that the tip moves along
    this.hover(i);
    this.redrawOverlay();
  }

  // Go to the nearest point on one side, or from nowhere to the one in the middle.
  walk([dx, dy]) {
    const panel = this.panels[this.active];
    if (this.hovered < 0) {
      this.hover(this.nearest(panel, [panel.left + this.side / 2, panel.top + this.side / 2], Infinity));
      return;
    }
    const [x, y] = this.at(panel, this.hovered);
    let best = Infinity, found = this.hovered;
    for (let i = 0; i < this.scene.count; i++) {
      if (this.mask && !this.mask[i]) continue;
      const [px, py] = this.at(panel, i), ahead = (px - x) * dx + (py - y) * dy, aside = (px - x) * dy + (py - y) * dx;
      const distance = ahead + 2 * Math.abs(aside);
      if (ahead > 0 && distance < best) { best = distance; found = i; }
    }
    this.hover(found);
  }

  // Brush without a mouse: pull the corner of a rectangle that begins around the cursor.
  stretch([dx, dy]) {
    const panel = this.panels[this.active], by = this.side / 12, { brush } = this;
    if (brush && brush.x === panel.x && brush.y === panel.y) {
      const [from, [x, y]] = brush.corners.map((corner) => this.onCanvas(panel, corner));
      this.drag(panel, from, [x + dx * by, y + dy * by]);
      return;
    }
    const middle = [panel.left + this.side / 2, panel.top + this.side / 2];
    const [x, y] = this.hovered >= 0 ? this.at(panel, this.hovered) : middle;
    this.drag(panel, [x - by, y - by], [x + by, y + by]);
  }

  close() { this.observer.disconnect(); this.screen.onchange = null; }
}

// ---- sliders ----

class Sliders {
  // `onMove()` is told that `code`, one coordinate per axis, has changed.
  constructor(parent, onMove) {
    this.onMove = onMove;
    this.list = make(parent, "div", "sliders");
  }

  open(scene) {
    if (this.scene?.shows !== scene.shows) this.marked = -1;
    Object.assign(this, { scene, code: Float32Array.from(scene.start) });
    this.list.replaceChildren();
    this.rows = scene.axes.map((name, axis) => this.addRow(name, axis));
    this.show();
  }

  addRow(name, axis) {
    const { low, high, span } = this.scene, row = make(this.list, "label", "slider");
    make(row, "span", "name", { textContent: name });
    const track = make(row, "span", "track");
    const range = make(track, "input", "", { type: "range", min: low[axis], max: high[axis], disabled: !span[axis] });
    range.step = (span[axis] / 200) * (1 - 1e-9) || 1; // a hair less, or the last step would miss the end
    range.setAttribute("aria-label", `${name}, from ${low[axis].toFixed(2)} to ${high[axis].toFixed(2)}`);
    range.addEventListener("input", () => { this.code[axis] = range.valueAsNumber; this.say(axis); this.onMove(); });
    const marks = make(track, "canvas", "marks"), value = make(row, "output", "value");
    return { range, marks, value };
  }

  // Move all sliders to the mean of all codes.
  reset() {
    const { statistics, count } = this.scene;
    this.set(this.code.map((_, axis) => statistics.reduce((sum, one) => sum + (one.count && one.count * one.means[axis]), 0) / count));
    this.mark(-1);
  }

  // Move all sliders to a code.
  set(code) {
    this.code.set(code);
    this.show();
  }

  show() {
    this.rows.forEach(({ range }, axis) => { range.value = this.code[axis]; this.say(axis); });
  }

  say(axis) {
    const { range, value } = this.rows[axis];
    value.textContent = this.code[axis].toFixed(2);
    range.setAttribute("aria-valuetext", value.textContent);
  }

  // Under each slider a line per class, from its mean less its spread to its mean plus its spread; one may stand out.
  mark(marked = this.marked) {
    this.marked = marked;
    const scale = window.devicePixelRatio || 1, width = Math.round((this.rows[0]?.marks.clientWidth ?? 0) * scale);
    if (!width) return;
    const { classes, statistics, low, span } = this.scene, thick = Math.max(1, Math.round(scale));
    const pitch = thick * (classes.length > 10 ? 2 : 3);
    const knob = 6 * scale; // the middle of a slider's knob stops this far from its ends
    this.rows.forEach(({ marks }, axis) => {
      Object.assign(marks, { width, height: classes.length * pitch });
      marks.style.height = `${marks.height / scale}px`;
      const pen = marks.getContext("2d");
      const across = (value) => Math.round(knob + ((value - low[axis]) / (span[axis] || 1)) * (width - 2 * knob));
      classes.forEach(({ colour }, k) => {
        const { count, means, spreads } = statistics[k], top = k * pitch + thick;
        if (!count) return;
        const [from, middle, to] = [-1, 0, 1].map((side) => across(means[axis] + side * spreads[axis]));
        pen.globalAlpha = marked < 0 || k === marked ? 1 : 0.3;
        pen.fillStyle = colour;
        pen.fillRect(from, top, to - from, thick);
        const size = k === marked ? 5 * thick : 3 * thick;
        pen.fillRect(middle - (size - thick) / 2, top - (size - thick) / 2, size, size);
      });
    });
  }
}

// ---- the whole page ----

class Page {
  constructor(model, el) {
    this.model = model;
    this.root = make(el, "div", "latent-explorer");
    // or JupyterLab would take them, to go from cell to cell
    this.root.addEventListener("keydown", (event) => { if (OUR_KEYS.includes(event.key)) event.stopPropagation(); });
    this.bar = make(this.root, "div", "bar");
    const top = make(this.root, "div", "top"), left = make(top, "div", "left"), right = make(top, "div", "right");
    this.legend = make(left, "div", "legend", { role: "group", ariaLabel: "classes" });
    this.matrix = new Matrix(make(left, "div", "room"), {
      pick: (i) => this.pick(i), brush: (mask) => this.brush(mask), hover: (i) => this.hover(i),
    });
    this.status = make(left, "p", "status", { ariaLive: "polite" });
    this.failure = make(left, "p", "failure", { role: "alert" });
    this.pair = make(right, "div", "pair");
    this.input = this.addPicture(this.pair, "input");
    this.decoded = this.addPicture(this.pair, "decoded");
    this.sliders = new Sliders(right, () => this.move());
    this.control = make(right, "div", "control");
    const reset = make(this.control, "button", "", { type: "button", textContent: "mean of all codes" });
    reset.onclick = () => { this.sliders.reset(); this.move(); };
    make(this.control, "span", "", { textContent: "Lines: mean ± spread of each class, in the legend's order." });
    this.strip = make(this.root, "div", "strip", { role: "img", hidden: true });
    this.tableRoom = make(this.root, "div", "statistics");
    this.observer = new ResizeObserver(perFrame(() => this.sliders.scene && this.sliders.mark()));
    this.observer.observe(right);
    this.questions = new Questions(model, {
      error: (text) => { this.failure.textContent = text; },
      decode: (answer, data) => this.drawDecoded(answer, data),
      interpolate: (answer, data, { ends }) => this.drawStrip(answer, data, ends),
      // the brush may be gone by now
      select: (_, data) => this.fillTable(this.matrix.mask ? readStatistics(floats(data), this.scene) : undefined),
      images: (answer, data) => { this.images = { shape: answer.shape.slice(1), pixels: bytes(data) }; },
    });
    this.listener = () => this.open();
    model.on("change:scene", this.listener);
    this.open();
  }

  addPicture(parent, name) {
    const picture = make(parent, "figure", name), canvas = make(picture, "canvas", "image", { role: "img" });
    const caption = make(picture, "figcaption", "", { textContent: name });
    return { picture, canvas, caption };
  }

  open() {
    const isSame = this.scene?.shows === this.model.get("scene").shows;
    this.scene = readScene(this.model);
    this.matrix.open(this.scene);
    this.matrix.box.setAttribute("aria-label", `${this.scene.count} codes on ${this.scene.shown.length} axes. Arrow keys go ` +
      "from point to point, Page Up and Down from panel to panel, Enter decodes, Shift and arrows brush, Escape clears.");
    this.fillBar();
    this.fillLegend();
    this.fillTable();
    this.control.hidden = !this.scene.decodes;
    this.sliders.open(this.scene.decodes ? this.scene : { ...this.scene, axes: [] });
    this.sliders.mark();
    if (isSame) {
      if (this.matrix.mask) this.questions.ask("select", {}, this.matrix.mask);
      return;
    }
    this.input.picture.hidden = !this.scene.images;
    this.decoded.picture.hidden = !this.scene.decodes;
    this.forget();
    // after the first picture: images are many bytes, and a decoder is slow when it is called for the first time
    requestAnimationFrame(() => setTimeout(() => this.fetch()));
  }

  // Show no input image and no way between points.
  forget() {
    this.strip.hidden = true;
    Object.assign(this.input.canvas, { width: 1, height: 1, ariaLabel: "no point is picked" });
    this.input.caption.textContent = "input: click a point";
    this.say("");
  }

  fetch() {
    const { scene } = this;
    if (this.album !== scene.album) {
      this.album = scene.album;
      this.images = null;
      if (scene.images) this.questions.ask("images");
    }
    if (scene.decodes) this.questions.ask("decode", { picked: null }, this.sliders.code.slice());
  }

  fillBar() {
    const { bases, basis, axes, shown } = this.scene;
    this.bar.replaceChildren();
    const choice = make(this.bar, "div", "group", { role: "group", ariaLabel: "kind of axes" });
    for (const name of bases) {
      const button = make(choice, "button", "", { type: "button", textContent: name, ariaPressed: name === basis });
      button.onclick = () => this.questions.ask("look", { basis: name });
    }
    const some = make(this.bar, "div", "group", { role: "group", ariaLabel: "axes in the plot" });
    axes.forEach((name, axis) => {
      const button = make(some, "button", "", { type: "button", textContent: name, ariaPressed: shown.includes(axis) });
      button.onclick = () => this.toggleAxis(axis, button);
    });
  }

  toggleAxis(axis, button) {
    const { scene } = this, on = !scene.shown.includes(axis);
    const shown = scene.axes.map((_, k) => k).filter((k) => (k === axis ? on : scene.shown.includes(k)));
    if (shown.length < 2 || shown.length > MOST_AXES) { this.say(`A matrix has 2 to ${MOST_AXES} axes.`); return; }
    scene.shown = shown;
    button.ariaPressed = on;
    this.matrix.active = 0;
    this.matrix.hover(-1);
    this.matrix.refit();
    this.fillTable(this.matrix.mask ? this.chosen : undefined);
    this.questions.ask("axes", { shown });
  }

  fillLegend() {
    this.legend.replaceChildren();
    this.scene.classes.forEach((one, k) => {
      const button = make(this.legend, "button", "", { type: "button", ariaPressed: this.matrix.classes.has(k) });
      make(button, "b", "", { textContent: one.mark }).style.background = one.colour;
      if (one.name !== one.mark) make(button, "span", "", { textContent: one.name });
      button.ariaLabel = `class ${one.name}, ${this.scene.statistics[k].count} points`;
      button.onclick = () => {
        const { classes } = this.matrix;
        button.ariaPressed = !classes.delete(k) && Boolean(classes.add(k));
        this.matrix.apply();
      };
    });
  }

  nameOf(i) { return `${this.scene.classes[this.scene.labels[i]].name} · point ${i}`; }

  say(text) {
    this.status.textContent = text || (this.scene.decodes
      ? "Drag to brush. Click a point to decode it, a second one to see the way between them."
      : "Drag to brush. Point at a code to see its image.");
  }

  hover(i) {
    const { tipImage, tipText } = this.matrix;
    tipText.textContent = this.nameOf(i);
    tipImage.hidden = !this.images;
    if (this.images) drawImage(tipImage, this.images.shape, this.images.pixels, i);
    if (this.matrix.keyboard) this.say(this.nameOf(i));
  }

  brush(mask) {
    const count = mask?.reduce((sum, one) => sum + one, 0);
    this.say(mask ? `${written(count)} of ${written(mask.length)} points chosen. Escape or a click on nothing clears the brush.` : "");
    if (!mask) this.fillTable();
    this.questions.ask("select", {}, mask ?? new Uint8Array(this.scene.count));
  }

  pick(i) {
    const { scene, matrix } = this, code = scene.axes.map((_, axis) => scene.points[axis * scene.count + i]);
    matrix.ends = [...matrix.ends.slice(-1), i].filter((one, at, all) => all.indexOf(one) === at);
    matrix.redrawOverlay();
    this.say(this.nameOf(i));
    if (this.images) drawImage(this.input.canvas, this.images.shape, this.images.pixels, i);
    this.input.caption.textContent = `input: ${this.nameOf(i)}`;
    this.input.canvas.ariaLabel = `input image of ${this.nameOf(i)}`;
    if (!scene.decodes) return;
    this.sliders.set(code);
    this.sliders.mark(scene.labels[i]);
    this.questions.ask("decode", { picked: i }, Float32Array.from(code));
    if (matrix.ends.length === 2) this.questions.ask("interpolate", { ends: matrix.ends });
  }

  move() { this.questions.ask("decode", { picked: null }, this.sliders.code.slice()); }

  drawDecoded({ shape }, data) {
    drawImage(this.decoded.canvas, shape.slice(1), bytes(data));
    this.decoded.canvas.ariaLabel = "decoded image";
  }

  drawStrip({ shape }, data, [from, to]) {
    const pixels = bytes(data);
    this.strip.replaceChildren();
    this.strip.hidden = false;
    this.strip.ariaLabel = `decoded images on the straight line from ${this.nameOf(from)} to ${this.nameOf(to)}`;
    make(this.strip, "b", "", { textContent: "A" });
    for (let k = 0; k < shape[0]; k++) drawImage(make(this.strip, "canvas", "image"), shape.slice(1), pixels, k);
    make(this.strip, "b", "", { textContent: "B" });
  }

  // Class statistics: of the chosen points, or of all.
  fillTable(chosen) {
    const { classes, statistics, axes, shown } = this.scene;
    this.chosen = chosen;
    this.tableRoom.replaceChildren();
    const table = make(this.tableRoom, "table");
    make(table, "caption", "", { textContent: chosen ? "Chosen points: mean ± spread" : "All points: mean ± spread" });
    const head = make(make(table, "thead"), "tr"), body = make(table, "tbody");
    for (const name of ["class", "count", ...shown.map((axis) => axes[axis])]) make(head, "th", "", { scope: "col", textContent: name });
    (chosen ?? statistics).forEach(({ count, means, spreads }, k) => {
      const row = make(body, "tr"), total = statistics[k].count;
      make(row, "th", "", { scope: "row", textContent: classes[k].name });
      make(row, "td", "", { textContent: chosen ? `${written(count)} of ${written(total)}` : written(total) });
      for (const axis of shown) {
        make(row, "td", "", { textContent: count ? `${means[axis].toFixed(2)} ± ${spreads[axis].toFixed(2)}` : "" });
      }
    });
  }

  close() {
    this.model.off("change:scene", this.listener);
    this.questions.close();
    this.matrix.close();
    this.observer.disconnect();
  }
}

export default {
  render({ model, el }) {
    const page = new Page(model, el);
    return () => page.close();
  },
};
