const content = JSON.parse(document.getElementById("content").textContent);
const decoders = content.models.map((model) => new Decoder(model));
const [strip, between, way, play, state] = ["strip", "between", "way", "play", "state"].map((id) => document.getElementById(id));
const sheet = new Image();
const picked = { now: null, before: null };  // test images
let drawn = 0;  // draws from the prior so far
let origin = "";  // where z was put last

for (const model of content.models) {
  model.size = model.dimensions.length;
  model.means = halves(model.means);
  model.draws = halves(model.draws);
}
const row = (values, size, number) => values.subarray(number * size, (number + 1) * size);
const labels = content.labels ?? [];
const isLabelled = (number) => labels[number] >= 0;
const colorOf = (label) => content.colors[label];

// Half of the page: a model with a latent of its own.
class Panel {
  constructor(choice) {
    this.section = document.getElementById("panel").content.cloneNode(true).firstElementChild;
    const find = (selector) => this.section.querySelector(selector);
    [this.original, this.decoded, this.map] = [".original", ".decoded", ".map"].map((name) => find(`${name} canvas`));
    const select = find("select");
    content.models.forEach((model, number) => select.add(new Option(model.name, number)));
    select.hidden = content.models.length < 3;
    select.value = choice;
    select.addEventListener("change", () => { this.choose(Number(select.value)); update(); });
    this.map.addEventListener("click", (event) => pick(this.nearest(event)));
    this.map.addEventListener("mousemove", (event) => { this.map.title = describeImage(this.nearest(event)); });
    document.getElementById("panels").append(this.section);
    this.choose(choice);
  }

  choose(number) {
    this.model = content.models[number];
    this.decoder = decoders[number];
    this.z = Float32Array.from(this.model.centre);
    const { dimensions, name, about, color } = this.model;
    const find = (selector) => this.section.querySelector(selector);
    find(".name").textContent = content.models.length < 3 ? name : "";
    find(".about").textContent = about;
    this.section.style.setProperty("--model", color);
    this.axes = [dimensions[0], dimensions[Math.min(1, dimensions.length - 1)]];
    const shown = dimensions.length > 1 ? `z${this.axes[0].index + 1} and z${this.axes[1].index + 1}, which have the most KL` : "z1";
    find(".map figcaption").textContent = `Posterior means of test images by ${shown}. The cross is z; a click picks an image.`;
    this.sliders = [];
    for (const used of [true, false]) {
      const own = dimensions.filter((dimension) => dimension.used === used);
      find(used ? ".used" : ".unused").replaceChildren(...own.map((dimension) => this.slider(dimension)));
      find("details").hidden = own.length === 0;
      find("summary").textContent = `${own.length} unused ${own.length === 1 ? "dimension" : "dimensions"}`;
    }
  }

  slider({ index, kl, low, high }) {
    const line = document.createElement("label"), input = document.createElement("input");
    line.className = "slider";
    Object.assign(input, { type: "range", min: low, max: high, step: 0.01 });
    const [name, share, value] = ["span", "span", "output"].map((tag) => document.createElement(tag));
    name.textContent = `z${index + 1}`;
    share.textContent = `KL ${kl.toFixed(2)}`;
    share.className = "kl";
    line.append(name, share, input, value);
    input.addEventListener("input", () => move(index, Number(input.value)));
    this.sliders.push({ index, input, value });
    return line;
  }

  show() {
    const [height, width, channels] = this.model.shape;
    const image = this.decoder.decode(this.z);
    paint(this.decoded, image, height, width, channels);
    for (const { index, input, value } of this.sliders) {
      input.value = this.z[index];
      value.textContent = this.z[index].toFixed(2);
    }
    this.compare(image, height, width, channels);
    this.drawMap();
  }

  // The test image that was picked, and how far what is decoded is from it.
  compare(image, height, width, channels) {
    this.original.parentElement.style.visibility = picked.now === null ? "hidden" : "visible";
    let caption = "decoded";
    if (picked.now !== null) {
      const pixels = pixelsOf(picked.now, height, width, channels);
      paint(this.original, pixels, height, width, channels);
      const error = image.reduce((sum, value, place) => sum + (value - pixels[place]) ** 2, 0);
      caption += `, squared error ${error.toFixed(1)}`;
    }
    this.decoded.nextElementSibling.textContent = caption;
  }

  mean(number) {
    return row(this.model.means, this.model.size, number);
  }

  // From latents to the map's pixels.
  place(z) {
    const { width, height } = this.map;
    const [x, y] = this.axes.map(({ index, low, high }) => (z[index] - low) / (high - low));
    return [20 + x * (width - 40), height - 20 - y * (height - 40)];
  }

  drawMap() {
    const pen = this.map.getContext("2d"), style = getComputedStyle(document.documentElement);
    pen.clearRect(0, 0, this.map.width, this.map.height);
    this.drawScales(pen, style);
    [pen.strokeStyle, pen.lineWidth] = [style.getPropertyValue("--soft"), 1];  // for colours as dark as the page
    for (let number = 0; number < content.count; number++) {
      const [x, y] = this.place(this.mean(number));
      pen.fillStyle = isLabelled(number) ? colorOf(labels[number]) : this.model.color;
      pen.beginPath();
      pen.arc(x, y, 5, 0, 7);
      pen.fill();
      pen.stroke();
    }
    pen.strokeStyle = style.getPropertyValue("--ink");
    pen.lineWidth = 3;
    const [x, y] = this.place(this.z);
    pen.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      pen.moveTo(x + 4 * dx, y + 4 * dy);
      pen.lineTo(x + 16 * dx, y + 16 * dy);
    }
    pen.stroke();
  }

  // Lines where either dimension is -2, 0 and 2, the width and the middle of a standard normal prior, with the numbers.
  drawScales(pen, style) {
    const { width, height } = this.map;
    [pen.strokeStyle, pen.fillStyle] = ["--line", "--soft"].map((name) => style.getPropertyValue(name));
    [pen.lineWidth, pen.font] = [2, "20px system-ui, sans-serif"];
    for (const value of [-2, 0, 2]) {
      const [x, y] = this.place(this.z.map(() => value));
      pen.beginPath();
      if (x > 0 && x < width) {
        pen.moveTo(x, 0);
        pen.lineTo(x, height);
        pen.fillText(value, x + 5, height - 6);
      }
      if (y > 0 && y < height) {
        pen.moveTo(0, y);
        pen.lineTo(width, y);
        pen.fillText(value, 4, y - 6);
      }
      pen.stroke();
    }
  }

  nearest(event) {
    const box = this.map.getBoundingClientRect(), scale = this.map.width / box.width;
    const at = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    let best = 0, least = Infinity;
    for (let number = 0; number < content.count; number++) {
      const [x, y] = this.place(this.mean(number)), distance = Math.hypot(x - at[0], y - at[1]);
      if (distance < least) [best, least] = [number, distance];
    }
    return best;
  }
}

function paint(canvas, values, height, width, channels) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d"), pixels = pen.createImageData(width, height);
  for (let cell = 0; cell < height * width; cell++) {
    for (let color = 0; color < 3; color++) pixels.data[4 * cell + color] = 255 * values[cell * channels + (color % channels)];  // which rounds
    pixels.data[4 * cell + 3] = 255;
  }
  pen.putImageData(pixels, 0, 0);
}

// A test image in the order (row, column, channel), cut from the sheet.
function pixelsOf(number, height, width, channels) {
  const canvas = new OffscreenCanvas(width, height), pen = canvas.getContext("2d");
  const [left, top] = [(number % content.columns) * width, Math.floor(number / content.columns) * height];
  pen.drawImage(sheet, left, top, width, height, 0, 0, width, height);
  const { data } = pen.getImageData(0, 0, width, height);
  return Float32Array.from({ length: height * width * channels }, (_, i) => data[4 * Math.floor(i / channels) + (i % channels)] / 255);
}

function describeImage(number) {
  return `test image ${number + 1}` + (isLabelled(number) ? `, ${content.labelName} ${labels[number]}` : "");
}

function update(text) {
  for (const panel of panels) panel.show();
  for (const [number, button] of [...strip.children].entries()) button.setAttribute("aria-pressed", number === picked.now);
  between.disabled = play.disabled = picked.now === null || picked.before === null;
  way.textContent = between.disabled ? "Pick another image to go there" : "From the image before to this one";
  if (text !== undefined) state.textContent = origin = text;
}

// What people do

function pick(number) {
  if (number !== picked.now) picked.before = picked.now;
  picked.now = number;
  between.value = 1;
  reveal(strip.children[number]);
  for (const panel of panels) panel.z.set(panel.mean(number));
  update(`z is each model's posterior mean of ${describeImage(number)}.`);
}

// Bring an image into sight in the strip, without moving the page.
function reveal(button) {
  const [own, whole] = [button, strip].map((element) => element.getBoundingClientRect());
  if (own.left < whole.left || own.right > whole.right) strip.scrollLeft += own.left - whole.left - whole.width / 2;
}

function move(index, value) {
  for (const panel of panels) if (index < panel.z.length) panel.z[index] = value;
  update();
  state.textContent = origin.replace(/\.$/, "; then dimensions were moved.");
}

function interpolate(share) {
  if (between.disabled) return;
  for (const panel of panels) {
    const from = panel.mean(picked.before), to = panel.mean(picked.now);
    panel.z.forEach((_, j) => { panel.z[j] = from[j] + share * (to[j] - from[j]); });
  }
  update(`z is ${Math.round(100 * share)} % of the way from ${describeImage(picked.before)} to ${describeImage(picked.now)}.`);
}

function drawFromPrior() {
  const own = drawn++ % (panels[0].model.draws.length / panels[0].model.size);
  for (const panel of panels) panel.z.set(row(panel.model.draws, panel.model.size, own));
  forget(`z is draw ${own + 1} from each model's prior, the same for models with the same prior.`);
}

function forget(text) {
  picked.now = picked.before = null;
  update(text);
}

function go(start) {
  const share = Math.min(1, (performance.now() - start) / 3000);
  between.value = share;
  interpolate(share);
  if (share < 1) requestAnimationFrame(() => go(start));
}

between.addEventListener("input", () => interpolate(Number(between.value)));
play.addEventListener("click", () => go(performance.now()));
document.getElementById("draw").addEventListener("click", drawFromPrior);
document.getElementById("centre").addEventListener("click", () => {
  for (const panel of panels) panel.z.set(panel.model.centre);
  forget("z is at the prior's mean.");
});

const classes = [...new Set(labels)].filter((label) => label >= 0).sort((a, b) => a - b);
if (classes.length) {
  const legend = document.getElementById("legend");
  legend.append(`Colours on the maps, ${content.labelName}: `);
  for (const label of classes) {
    const entry = document.createElement("span");
    entry.textContent = label;
    entry.style.setProperty("--class", colorOf(label));
    legend.append(entry);
  }
}

// Rows of images that every model decodes: what it makes of the same test images, and of the same draws of z.
function showRows() {
  const [height, width, channels] = content.models[0].shape, many = Math.min(12, content.count);
  const numbers = Array.from({ length: many }, (_, number) => number);
  addRow("test images", numbers.map((number) => pixelsOf(number, height, width, channels)));
  for (const [own, model] of content.models.entries())
    addRow(`reconstructed by ${model.name}`, numbers.map((number) => decoders[own].decode(row(model.means, model.size, number))));
  for (const [own, model] of content.models.entries())
    addRow(`z drawn from the prior, decoded by ${model.name}`, numbers.map((number) => decoders[own].decode(row(model.draws, model.size, number))));
}

function addRow(name, images) {
  const [height, width, channels] = content.models[0].shape, gap = 1;
  const figure = document.createElement("figure"), caption = document.createElement("figcaption");
  const canvas = document.createElement("canvas"), one = document.createElement("canvas");
  Object.assign(canvas, { width: images.length * (width + gap) - gap, height });
  images.forEach((image, place) => {
    paint(one, image, height, width, channels);
    canvas.getContext("2d").drawImage(one, place * (width + gap), 0);
  });
  caption.textContent = name;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", name);
  figure.append(caption, canvas);
  document.getElementById("table").append(figure);
}

const panels = content.models.slice(0, 2).map((_, number) => new Panel(number));
sheet.addEventListener("load", () => {
  strip.style.setProperty("--sheet", `url(${content.sheet})`);
  const side = 48, scale = side / panels[0].model.shape[1];
  for (let number = 0; number < content.count; number++) {
    const button = document.createElement("button");
    const [left, top] = [(number % content.columns) * side, Math.floor(number / content.columns) * side];
    Object.assign(button.style, { backgroundSize: `${sheet.width * scale}px`, backgroundPosition: `-${left}px -${top}px` });
    button.type = "button";
    button.setAttribute("aria-label", describeImage(number));
    button.addEventListener("click", () => pick(number));
    strip.append(button);
  }
  showRows();
  pick(0);
  document.body.dataset.ready = "yes";
});
sheet.src = content.sheet;
