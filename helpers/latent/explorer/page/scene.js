// What Python handed over, made ready to be drawn.

const BY_CLASS = ""; // what points are coloured by, in place of the name of a value
const PAPER = 0xffffffff, PALE = 0xffdcdcdc; // as a buffer of pixels has them: opacity, blue, green, red

// Each axis is scaled to 0..1 in `unit`.
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
      scene.unit[i] = scene.span[axis] > 0 ? Math.min(1, (scene.points[i] - scene.low[axis]) / scene.span[axis]) : 0.5;
    }
  }
  Object.assign(scene, readSummary(floats(model.get("summary")), scene));
  scene.ramp = bytes(model.get("ramp"));
  const numbers = floats(model.get("values"));
  scene.values.forEach((value, k) => { value.numbers = numbers.subarray(k * scene.count, (k + 1) * scene.count); });
  return scene;
}

// Of some points, an entry per class (count, means and spreads on all axes), and the correlation of each two axes.
function readSummary(numbers, { classes, axes }) {
  const all = axes.length, width = 1 + 2 * all;
  const statistics = classes.map((_, k) => {
    const row = numbers.subarray(k * width, (k + 1) * width);
    return { count: row[0], means: row.subarray(1, all + 1), spreads: row.subarray(all + 1) };
  });
  return { statistics, correlations: numbers.subarray(classes.length * width) };
}

// The colour of each point as a word of pixels: that of its class, or of its place between the limits of a value.
function inksOf({ labels, classes, values, coloured_by, ramp, count }) {
  const inks = new Uint32Array(count), value = values.find(({ name }) => name === coloured_by);
  const asWord = (red, green, blue) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  if (!value) {
    const words = classes.map(({ colour }) => asWord(...[1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16))));
    for (let i = 0; i < count; i++) inks[i] = words[labels[i]];
    return inks;
  }
  const { numbers, limits: [low, high] } = value;
  const words = Uint32Array.from({ length: 256 }, (_, k) => asWord(ramp[4 * k], ramp[4 * k + 1], ramp[4 * k + 2]));
  for (let i = 0; i < count; i++) {
    inks[i] = Number.isNaN(numbers[i]) ? PALE : words[Math.round((255 * (numbers[i] - low)) / (high - low || 1))];
  }
  return inks;
}
