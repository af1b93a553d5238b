// The scatter-plot matrix: one canvas for all points, each panel written pixel by pixel into one buffer. A second one on
// top holds what moves: cursor, brush, ends. Coordinates on both are device pixels, so that they are sharp on any screen.

const MOST_MARKS = 1000; // points that are written as marks; more take longer than a frame
const MOST_MOVING = 25_000; // points that are drawn in each frame of a movement
const MOST_ZOOM = 100;
const NEAR = 10; // CSS pixels around the pointer in which a point counts as meant
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

class Matrix {
  // `on` is told: pick(index), brush(mask or null, whether by code), hover(index).
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
    this.box.addEventListener("wheel", (event) => this.wheel(event), { passive: false }); // so that it can be held back
  }

  open(scene) {
    const isSame = this.scene?.shows === scene.shows; // the same points along other axes: what was chosen stays
    Object.assign(this, { scene, brush: null, hovered: -1, active: 0, correlations: scene.correlations });
    this.openWindow();
    this.tip.hidden = true;
    if (!isSame) Object.assign(this, { mask: null, brushed: null, ends: [], neighbours: [], classes: new Set() });
    this.inks = inksOf(scene);
    this.refit();
  }

  // The window on each axis: where in 0..1 it begins, and how many times it is magnified.
  openWindow() {
    this.begin = new Float32Array(this.scene.axes.length);
    this.zoom = new Float32Array(this.scene.axes.length).fill(1);
  }

  // Show all points.
  whole() {
    this.openWindow();
    this.redraw();
  }

  // Magnify some axes by a factor around places in 0..1, or where they are looked at.
  magnify(factor, axes = this.scene.shown, around = []) {
    axes.forEach((axis, k) => {
      const middle = around[k] ?? this.begin[axis] + 0.5 / this.zoom[axis];
      const zoom = Math.max(1, Math.min(MOST_ZOOM, this.zoom[axis] * factor));
      this.begin[axis] = middle - ((middle - this.begin[axis]) * this.zoom[axis]) / zoom;
      this.zoom[axis] = zoom;
      this.pan(axis, 0);
    });
  }

  // Move the window on an axis by a part of its width, as far as there are points.
  pan(axis, by) {
    const width = 1 / this.zoom[axis];
    this.begin[axis] = Math.max(0, Math.min(1 - width, this.begin[axis] + by * width));
    this.move();
  }

  // Draw again, in a movement: of very many points some, until it comes to rest.
  move() {
    this.isMoving = true;
    this.redraw();
    clearTimeout(this.rest);
    this.rest = setTimeout(() => { this.isMoving = false; this.redraw(); }, 150);
  }

  // Colour the points as the scene says now.
  colour() {
    this.inks = inksOf(this.scene);
    this.redraw();
  }

  // Show how far axes go together among the points that are chosen.
  correlate(correlations) {
    this.correlations = correlations;
    this.redrawOverlay();
  }

  // Another zoom or another screen: as many device pixels as that has.
  watchScale() {
    if (this.screen) this.screen.onchange = null; // or it would tell once more each time its scale comes back
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
      panel.left + 1 + Math.trunc((unit[panel.x * count + i] - this.begin[panel.x]) * this.zoom[panel.x] * room),
      panel.top + 1 + room - Math.trunc((unit[panel.y * count + i] - this.begin[panel.y]) * this.zoom[panel.y] * room),
    ];
  }

  // Whether point i is in the windows on both axes of a panel.
  isInView(panel, i) {
    return [panel.x, panel.y].every((axis) => {
      const place = (this.scene.unit[axis * this.scene.count + i] - this.begin[axis]) * this.zoom[axis];
      return place >= 0 && place <= 1;
    });
  }

  draw() {
    const { scene: { count, coloured_by }, mask } = this, pen = this.base.getContext("2d");
    const image = new ImageData(this.width, this.height), pixels = new Uint32Array(image.data.buffer);
    pixels.fill(PAPER);
    const order = new Int32Array(count); // the points that are chosen come last, in front of all others
    let behind = 0;
    for (let i = 0; i < count; i++) if (mask && !mask[i]) order[behind++] = i;
    for (let i = 0, at = behind; i < count; i++) if (!mask || mask[i]) order[at++] = i;
    const pale = this.thin(order.subarray(0, behind)), inFront = this.thin(order.subarray(behind)), many = inFront.length;
    const few = coloured_by === BY_CLASS && many <= MOST_MARKS && this.side / this.scale > 8 * Math.sqrt(many);
    const dots = new Int32Array(pale.length + (few ? 0 : many)), inks = new Uint32Array(dots.length);
    dots.set(pale);
    if (!few) dots.set(inFront, pale.length);
    for (let k = 0; k < dots.length; k++) inks[k] = k < pale.length ? PALE : this.inks[dots[k]];
    const places = new Map(this.scene.shown.map((axis) => [axis, this.along(axis, dots)]));
    for (const panel of this.panels) this.scatter(pixels, panel, places.get(panel.x), places.get(panel.y), inks);
    pen.putImageData(image, 0, 0);
    for (const panel of this.panels) {
      if (few) this.write(pen, panel, inFront);
      this.decorate(pen, panel);
    }
    this.box.dataset.drawn = Number(this.box.dataset.drawn ?? 0) + 1;
  }

  // In a movement of very many dots, every second, third, ... of them.
  thin(dots) {
    const step = this.isMoving ? Math.ceil(dots.length / MOST_MOVING) : 1;
    return step > 1 ? dots.filter((_, k) => k % step === 0) : dots;
  }

  // Where dots are on an axis: in pixels from its low end, or -1 where they are out of view.
  along(axis, dots) {
    const { unit, count } = this.scene, begin = this.begin[axis], zoom = this.zoom[axis], room = this.side - this.dot - 2;
    const places = new Int32Array(dots.length), start = axis * count;
    for (let k = 0; k < dots.length; k++) {
      const place = (unit[start + dots[k]] - begin) * zoom;
      places[k] = place >= 0 && place <= 1 ? place * room : -1;
    }
    return places;
  }

  // Blend dots into the buffer, half and half with what is there: a lone point is pale, a crowd is full. Where colours
  // stand for numbers, they cover what is there.
  scatter(pixels, { left, top }, across, up, inks) {
    const { width, dot } = this, origin = (top + this.side - dot - 1) * width + left + 1;
    const blends = this.scene.coloured_by === BY_CLASS;
    for (let k = 0; k < inks.length; k++) {
      if ((across[k] | up[k]) < 0) continue;
      const ink = inks[k], corner = origin - up[k] * width + across[k];
      for (let row = 0, start = corner; row < dot; row++, start += width) {
        for (let at = start; at < start + dot; at++) {
          pixels[at] = blends ? (((pixels[at] ^ ink) & 0xfefefefe) >>> 1) + (pixels[at] & ink) : ink;
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
      if (!this.isInView(panel, i)) continue;
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
    if (side / scale < 90 || this.scene.coloured_by !== BY_CLASS) return;
    pen.font = `bold ${(side / scale < 150 ? 11 : 14) * scale}px sans-serif`;
    pen.lineWidth = 3 * scale;
    classes.forEach((one, k) => {
      if (!statistics[k].count || !this.isShown(k)) return;
      const [u, v] = [panel.x, panel.y].map((axis) => (
        ((statistics[k].means[axis] - low[axis]) / (span[axis] || 1) - this.begin[axis]) * this.zoom[axis]
      ));
      if (Math.min(u, v) < 0 || Math.max(u, v) > 1) return;
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
      const inside = ([x, y]) => [[x, home.left], [y, home.top]].map(([at, edge]) => Math.max(edge, Math.min(edge + side, at)));
      const [[x0, y0], [x1, y1]] = brush.corners.map((corner) => inside(this.onCanvas(home, corner)));
      pen.fillStyle = "rgba(0, 0, 0, 0.06)";
      for (const draw of ["fillRect", "strokeRect"]) pen[draw](x0, y0, x1 - x0, y1 - y0);
    }
    const active = this.panels[this.active];
    if (this.keyboard && active) pen.strokeRect(active.left, active.top, side, side);
    this.drawCorrelations(pen);
    for (const panel of this.panels) {
      for (const i of this.neighbours) this.ring(pen, panel, i, "", 3.5);
      this.ends.forEach((i, k) => this.ring(pen, panel, i, this.ends.length > 1 ? "AB"[k] : ""));
      if (this.hovered >= 0) this.ring(pen, panel, this.hovered, "");
    }
  }

  // Where the upper triangle has room: a table of correlations, darker is stronger, names of axes on its diagonal.
  drawCorrelations(pen) {
    const { scale, side, scene: { shown, axes } } = this, half = Math.floor((shown.length - 1) / 2), many = shown.length;
    const gap = Math.round(5 * scale), cell = Math.floor((half * (side + gap) - gap) / many);
    if (cell < 16 * scale) return;
    const left = this.width - gap - cell * many, place = (k) => (k + 0.5) * cell;
    pen.textBaseline = "middle";
    pen.textAlign = "center";
    pen.font = `${Math.min(12 * scale, cell * 0.36)}px sans-serif`;
    shown.forEach((one, row) => shown.slice(row).forEach((other, k) => {
      const column = row + k, r = this.correlations[one * axes.length + other], strength = Math.abs(r) || 0;
      pen.fillStyle = `rgb(${Array(3).fill(Math.round(255 * (1 - 0.85 * strength)))})`;
      if (k) pen.fillRect(left + column * cell, row * cell, cell - 1, cell - 1);
      pen.fillStyle = k && strength > 0.5 ? "#fff" : "#000";
      pen.fillText(k ? writeCorrelation(r) : axes[one], left + place(column), place(row));
    }));
    pen.textAlign = "left";
    pen.fillText("correlation", left, place(many - 1));
  }

  ring(pen, panel, i, letter, radius = 5) {
    if (!this.isInView(panel, i)) return;
    const { scale } = this, [x, y] = this.at(panel, i).map((value) => value + this.dot / 2);
    for (const [colour, width] of [["#fff", 4], ["#000", 1.5]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = width * scale;
      pen.beginPath();
      pen.arc(x, y, radius * scale, 0, 7);
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
    const { unit, count } = this.scene, across = panel.x * count, up = panel.y * count;
    const [u, v] = this.inPanel(panel, [x, y]), room = this.side - this.dot - 2;
    const [wide, high] = [this.zoom[panel.x], this.zoom[panel.y]];
    let best = (reach / room) ** 2, found = -1;
    for (let i = 0; i < count; i++) {
      if (this.mask && !this.mask[i]) continue;
      const distance = ((unit[across + i] - u) * wide) ** 2 + ((unit[up + i] - v) * high) ** 2;
      if (distance < best && this.isInView(panel, i)) { best = distance; found = i; }
    }
    return found;
  }

  pointerdown(event) {
    const place = this.place(event), panel = this.panelAt(place);
    if (!panel || event.button) return;
    this.box.setPointerCapture(event.pointerId);
    this.press = { panel, place, pans: event.shiftKey };
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
    if (!this.press.pans) { this.drag(panel, from, place); return; }
    this.pan(panel.x, (from[0] - place[0]) / this.side);
    this.pan(panel.y, (place[1] - from[1]) / this.side);
    this.press.place = place;
  }

  // With Ctrl, as a pinch of two fingers says too; without it the page scrolls.
  wheel(event) {
    const place = this.place(event), panel = this.panelAt(place);
    if (!event.ctrlKey || !panel) return;
    event.preventDefault();
    this.magnify(Math.exp(-event.deltaY / 300), [panel.x, panel.y], this.inPanel(panel, place));
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
    this.placeTip(panel, i);
  }

  placeTip(panel = this.tipPanel, i = this.hovered) {
    this.tipPanel = panel;
    const [x, y] = this.at(panel, i).map((value) => value / this.scale), room = this.width / this.scale;
    this.tip.style.left = `${x > room / 2 ? x - this.tip.offsetWidth - 14 : x + 14}px`;
    this.tip.style.top = `${Math.max(0, y - this.tip.offsetHeight / 2)}px`;
  }

  // From canvas to 0..1 on both axes of a panel, and back.
  inPanel(panel, [x, y]) {
    const edge = 1 + this.dot / 2, room = this.side - this.dot - 2, clamp = (value) => Math.max(-0.01, Math.min(1.01, value));
    const inWindow = [clamp((x - panel.left - edge) / room), clamp(1 - (y - panel.top - edge) / room)];
    return [panel.x, panel.y].map((axis, k) => this.begin[axis] + inWindow[k] / this.zoom[axis]);
  }

  onCanvas(panel, [u, v]) {
    const edge = 1 + this.dot / 2, room = this.side - this.dot - 2;
    const [across, up] = [[panel.x, u], [panel.y, v]].map(([axis, at]) => (at - this.begin[axis]) * this.zoom[axis]);
    return [panel.left + edge + across * room, panel.top + edge + (1 - up) * room];
  }

  drag(panel, from, to) {
    this.brush = { x: panel.x, y: panel.y, corners: [this.inPanel(panel, from), this.inPanel(panel, to)] };
    this.brushed = this.inBrush();
    this.move();
    this.apply();
  }

  // Take what was chosen by code, or in another explorer, as a brush takes it.
  adopt(mask) {
    if (mask.length !== this.scene.count) return;
    Object.assign(this, { brush: null, brushed: mask.includes(1) ? mask : null });
    this.classes.clear();
    this.apply(true);
  }

  clear() {
    this.brush = this.brushed = null;
    this.apply();
  }

  // Which points are in the brush and of a chosen class; null where neither leaves any out.
  apply(byCode = false) {
    const { scene, brushed } = this;
    this.mask = brushed || this.classes.size ? new Uint8Array(scene.count) : null;
    for (let i = 0; this.mask && i < scene.count; i++) {
      this.mask[i] = this.isShown(scene.labels[i]) && (!brushed || brushed[i]);
    }
    this.redraw();
    this.on.brush(this.mask, byCode);
  }

  inBrush() {
    const { x, y, corners: [from, to] } = this.brush, { unit, count } = this.scene, mask = new Uint8Array(count);
    const [left, low] = from.map((value, at) => Math.min(value, to[at]));
    const [right, high] = from.map((value, at) => Math.max(value, to[at]));
    for (let i = 0; i < count; i++) {
      const u = unit[x * count + i], v = unit[y * count + i];
      mask[i] = u >= left && u <= right && v >= low && v <= high;
    }
    return mask;
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
      "+": () => this.magnify(1.5),
      "-": () => this.magnify(1 / 1.5),
      "0": () => this.whole(),
    };
    const action = step ? () => this.go(step, event) : actions[event.key];
    if (!action || !this.panels || event.ctrlKey || event.metaKey) return; // with these, keys are the browser's
    event.preventDefault();
    this.keyboard = true;
    action();
  }

  go(step, { shiftKey, altKey }) {
    if (!altKey) { if (shiftKey) this.stretch(step); else this.walk(step); return; }
    const { x, y } = this.panels[this.active];
    this.pan(x, step[0] / 8);
    this.pan(y, -step[1] / 8);
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
      if ((this.mask && !this.mask[i]) || !this.isInView(panel, i)) continue;
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

  close() { this.observer.disconnect(); this.screen.onchange = null; clearTimeout(this.rest); }
}

// In little room: .42, −.50, 1.0; nothing of an axis along which nothing varies.
function writeCorrelation(r) {
  if (Number.isNaN(r)) return "";
  return r.toFixed(2).replace("0.", ".").replace("1.00", "1.0").replace("-", "−");
}
