// A slider for each axis.

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
