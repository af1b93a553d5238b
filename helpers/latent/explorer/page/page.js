// The whole page.

const MOST_AXES = 10;

class Page {
  constructor(model, el) {
    this.model = model;
    this.root = make(el, "div", "latent-explorer");
    // or JupyterLab would take them, to go from cell to cell
    this.root.addEventListener("keydown", (event) => { if (OUR_KEYS.includes(event.key)) event.stopPropagation(); });
    this.bar = make(this.root, "div", "bar");
    const top = make(this.root, "div", "top"), left = make(top, "div", "left"), right = make(top, "div", "right");
    this.legend = make(left, "div", "legend", { role: "group", ariaLabel: "classes" });
    this.scale = make(left, "div", "scale", { hidden: true });
    this.matrix = new Matrix(make(left, "div", "room"), {
      pick: (i) => this.pick(i), brush: (mask, byCode) => this.brush(mask, byCode), hover: (i) => this.hover(i),
    });
    this.status = make(left, "p", "status", { ariaLive: "polite" });
    this.failure = make(left, "p", "failure", { role: "alert" });
    this.neighbours = make(left, "div", "strip", { role: "group", hidden: true });
    this.pair = make(right, "div", "pair");
    this.input = this.addPicture(this.pair, "input");
    this.decoded = this.addPicture(this.pair, "decoded");
    this.asClass = make(right, "label", "control", { textContent: "decoded as class " });
    this.label = make(this.asClass, "select");
    this.label.onchange = () => this.move();
    this.sliders = new Sliders(right, () => this.move());
    this.control = make(right, "div", "control");
    makeButton(this.control, "mean of all codes", {}, () => { this.sliders.reset(); this.move(); });
    make(this.control, "span", "", { textContent: "Lines: mean ± spread of each class, in the legend's order." });
    this.strip = make(this.root, "div", "strip", { role: "img", hidden: true });
    // it scrolls where it is wide, by keys too
    this.tableRoom = make(this.root, "div", "statistics", { tabIndex: 0, role: "group", ariaLabel: "statistics of classes" });
    this.observer = new ResizeObserver(perFrame(() => this.sliders.scene && this.sliders.mark()));
    this.observer.observe(right);
    this.questions = new Questions(model, {
      error: (text) => { this.failure.textContent = text; },
      decode: (answer, data) => this.drawDecoded(answer, data),
      interpolate: (answer, data, { ends }) => this.drawStrip(answer, data, ends),
      // the brush may be gone by now
      select: (_, data) => this.summarise(this.matrix.mask ? readSummary(floats(data), this.scene) : this.scene),
      image: (answer, data, { point }) => this.drawTip(answer, data, point),
      neighbours: (answer, data) => this.drawNeighbours(answer, data),
      choose: (mask) => this.matrix.adopt(mask),
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
      "from point to point, Page Up and Down from panel to panel, Enter decodes, Shift and arrows brush, Escape clears; " +
      "plus, minus and 0 zoom, Alt and arrows pan.");
    this.fillBar();
    this.fillLegend();
    this.fillScale();
    this.fillTable();
    this.asClass.hidden = !this.scene.conditional;
    this.control.hidden = !this.scene.decodes;
    this.sliders.open(this.scene.decodes ? this.scene : { ...this.scene, axes: [] });
    this.sliders.mark();
    if (isSame) {
      if (this.matrix.mask) this.questions.ask("select", {}, this.matrix.mask);
      return;
    }
    this.input.picture.hidden = !this.scene.images;
    this.decoded.picture.hidden = !this.scene.decodes;
    this.label.replaceChildren();
    this.scene.classes.forEach(({ name }, k) => make(this.label, "option", "", { value: k, textContent: name }));
    this.label.value = this.scene.label;
    this.forget();
    // after the first picture: a decoder is slow when it is called for the first time
    if (this.scene.decodes) requestAnimationFrame(() => setTimeout(() => this.move()));
  }

  // Show no input image, no neighbours and no way between points.
  forget() {
    this.strip.hidden = this.neighbours.hidden = true;
    Object.assign(this.input.canvas, { width: 1, height: 1, ariaLabel: "no point is picked" });
    this.input.caption.textContent = "input: click a point";
    this.say("");
  }

  fillBar() {
    const { bases, basis, axes, shown, values, coloured_by, images, decodes } = this.scene;
    this.bar.replaceChildren();
    const choice = make(this.bar, "div", "group", { role: "group", ariaLabel: "kind of axes" });
    for (const name of bases) {
      makeButton(choice, name, { ariaPressed: name === basis }, () => this.questions.ask("look", { basis: name }));
    }
    const some = make(this.bar, "div", "group", { role: "group", ariaLabel: "axes in the plot" });
    axes.forEach((name, axis) => {
      const button = makeButton(some, name, { ariaPressed: shown.includes(axis) }, () => this.toggleAxis(axis, button));
    });
    if (values.length) {
      const colours = make(this.bar, "div", "group", { role: "group", ariaLabel: "points coloured by" });
      for (const name of [BY_CLASS, ...values.map((value) => value.name)]) {
        makeButton(colours, name || "by class", { ariaPressed: name === coloured_by }, () => this.colourBy(name));
      }
    }
    const zoom = make(this.bar, "div", "group", { role: "group", ariaLabel: "zoom" });
    makeButton(zoom, "+", { ariaLabel: "zoom in" }, () => this.matrix.magnify(1.5));
    makeButton(zoom, "−", { ariaLabel: "zoom out" }, () => this.matrix.magnify(1 / 1.5));
    makeButton(zoom, "all", { ariaLabel: "show all points" }, () => this.matrix.whole());
    if (!images && !decodes) return;
    const large = makeButton(this.bar, "large images", { ariaPressed: this.root.classList.contains("large") }, () => {
      large.ariaPressed = this.root.classList.toggle("large");
    });
  }

  colourBy(name) {
    this.scene.coloured_by = name;
    this.fillBar();
    [...this.bar.querySelectorAll("[aria-pressed]")].find((button) => button.textContent === (name || "by class")).focus();
    this.fillScale();
    this.matrix.colour();
    this.questions.ask("colour", { by: name });
  }

  // What the colours say, where they stand for numbers.
  fillScale() {
    const value = this.scene.values.find(({ name }) => name === this.scene.coloured_by);
    this.scale.hidden = !value;
    if (!value) return;
    this.scale.replaceChildren();
    make(this.scale, "span", "", { textContent: `${value.name}: ${value.limits[0].toPrecision(3)}` });
    drawImage(make(this.scale, "canvas", "", { ariaHidden: true }), [1, 256, 3], this.scene.ramp.filter((_, k) => k % 4 < 3));
    make(this.scale, "span", "", { textContent: value.limits[1].toPrecision(3) });
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
      ? "Drag to brush. Click a point to decode it, a second one to see the way between them. Ctrl and wheel zoom, Shift and drag pan."
      : "Drag to brush. Point at a code to see its image. Ctrl and wheel zoom, Shift and drag pan.");
  }

  hover(i) {
    const { tipImage, tipText } = this.matrix;
    tipText.textContent = this.nameOf(i);
    tipImage.hidden = true;
    if (this.scene.images) this.questions.ask("image", { point: i });
    if (this.matrix.keyboard) this.say(this.nameOf(i));
  }

  drawTip({ shape }, data, point) {
    if (point !== this.matrix.hovered) return; // the pointer has gone on
    drawImage(this.matrix.tipImage, shape.slice(1), bytes(data));
    this.matrix.tipImage.hidden = false;
    this.matrix.placeTip();
  }

  brush(mask, byCode) {
    const count = mask?.reduce((sum, one) => sum + one, 0);
    this.say(mask ? `${written(count)} of ${written(mask.length)} points chosen. Escape or a click on nothing clears the brush.` : "");
    if (!mask) this.summarise(this.scene);
    if (byCode) this.fillLegend();
    this.questions.ask("select", { by_code: byCode }, mask ?? new Uint8Array(this.scene.count));
  }

  pick(i) {
    const { scene, matrix } = this, code = scene.axes.map((_, axis) => scene.points[axis * scene.count + i]);
    matrix.ends = [...matrix.ends.slice(-1), i].filter((one, at, all) => all.indexOf(one) === at);
    matrix.redrawOverlay();
    this.say(this.nameOf(i));
    this.questions.ask("neighbours", { point: i });
    this.input.caption.textContent = `input: ${this.nameOf(i)}`;
    this.input.canvas.ariaLabel = `input image of ${this.nameOf(i)}`;
    if (!scene.decodes) return;
    this.sliders.set(code);
    this.sliders.mark(scene.labels[i]);
    this.label.value = scene.labels[i];
    this.decode(Float32Array.from(code), i);
    if (matrix.ends.length === 2) this.questions.ask("interpolate", { ends: matrix.ends, label: Number(this.label.value) });
  }

  move() { this.decode(this.sliders.code.slice()); }

  decode(code, picked = null) { this.questions.ask("decode", { picked, label: Number(this.label.value) }, code); }

  // The point that was picked, and the points whose codes are nearest: each a button that picks it.
  drawNeighbours({ points, distances, shape }, data) {
    const [picked, ...others] = points, pixels = bytes(data);
    if (shape) drawImage(this.input.canvas, shape.slice(1), pixels);
    this.matrix.neighbours = others;
    this.matrix.redrawOverlay();
    const hadFocus = this.neighbours.contains(document.activeElement);
    this.neighbours.replaceChildren();
    this.neighbours.hidden = false;
    this.neighbours.ariaLabel = `points whose codes are nearest to ${this.nameOf(picked)}`;
    make(this.neighbours, "span", "", { textContent: "nearest" });
    others.forEach((i, k) => {
      const button = makeButton(this.neighbours, "", { title: `distance ${distances[k + 1].toPrecision(3)}` }, () => this.pick(i));
      if (shape) drawImage(make(button, "canvas", "image", { ariaHidden: true }), shape.slice(1), pixels, k + 1);
      make(button, "span", "", { textContent: this.scene.classes[this.scene.labels[i]].mark });
      button.ariaLabel = `${this.nameOf(i)}, distance ${distances[k + 1].toPrecision(3)}`;
    });
    if (hadFocus) this.neighbours.querySelector("button").focus();
  }

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

  // Statistics and correlations of the chosen points, or of all.
  summarise(found) {
    this.fillTable(found === this.scene ? undefined : found.statistics);
    this.matrix.correlate(found.correlations);
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
