// The page's half of the latent-space explorer. The other, ../widget.py, holds codes, images and decoder, and joins the
// files of this folder into the one module that a widget may have, in this order: tools, scene, questions, matrix,
// sliders, page.

const OUR_KEYS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End", "Enter", " ", "Escape", "+", "-", "0"];

function make(parent, tag, className = "", properties = {}) {
  const node = Object.assign(document.createElement(tag), properties);
  if (className) node.className = className;
  parent?.append(node);
  return node;
}

function makeButton(parent, text, properties, onclick) {
  return make(parent, "button", "", { type: "button", textContent: text, ...properties, onclick });
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
