// The decoder of a model in the browser. utils/explore/decoders.py says what `model` holds; maps are Float32Array in
// the order (row, column, channel), so that the channels that an inner loop goes through lie side by side.

// Numbers of a base64 text of float16, the low byte first.
function halves(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const values = new Float32Array(bytes.length / 2);
  for (let i = 0; i < values.length; i++) {
    const bits = bytes[2 * i] | (bytes[2 * i + 1] << 8);
    const exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const size = exponent === 0 ? fraction * 2 ** -24
      : exponent === 31 ? (fraction ? NaN : Infinity)
      : (1 + fraction / 1024) * 2 ** (exponent - 15);
    values[i] = bits & 0x8000 ? -size : size;
  }
  return values;
}

class Decoder {
  constructor(model) {
    this.layers = model.layers;
    this.mean = Decoder[model.mean];
    const values = halves(model.weights);
    let place = 0;
    for (const layer of this.layers.filter((one) => one.kind === "spread")) {
      const size = layer.side ** 2 * layer.before * layer.after;
      layer.weight = values.subarray(place, place + size);
      layer.bias = values.subarray(place + size, place + size + layer.after);
      place += size + layer.after;
    }
    if (place !== values.length) throw new Error(`the model has ${values.length} weights, its layers ${place}`);
  }

  // The mean image of a latent: numbers from 0 to 1 in the order (row, column, channel).
  decode(z) {
    let map = { height: 1, width: 1, channels: z.length, values: Float32Array.from(z) };
    for (const layer of this.layers) map = Decoder[layer.kind](map, layer);
    return map.values.map(this.mean);
  }

  // The means of a pixel, by its output.
  static sigmoid(value) {
    return 1 / (1 + Math.exp(-value));
  }

  // Of the density exp(value x) on [0, 1].
  static exponential(value) {
    return Math.abs(value) < 0.01 ? 0.5 + value / 12 : 1 / (1 - Math.exp(-value)) - 1 / value;
  }

  static relu(map) {
    for (let i = 0; i < map.values.length; i++) if (map.values[i] < 0) map.values[i] = 0;
    return map;
  }

  // A row of numbers in PyTorch's order (channel, row, column) to a map.
  static unflatten({ values }, { channels, height, width }) {
    const area = height * width, ordered = new Float32Array(values.length);
    for (let channel = 0; channel < channels; channel++)
      for (let cell = 0; cell < area; cell++) ordered[cell * channels + channel] = values[channel * area + cell];
    return { height, width, channels, values: ordered };
  }

  // Cell (y, x) adds to the patch that begins at (stride y - padding, stride x - padding). Zeros, of which ReLU makes
  // many, add nothing and are skipped.
  static spread(map, { before, after, side, stride, padding, weight, bias }) {
    const height = (map.height - 1) * stride + side - 2 * padding;
    const width = (map.width - 1) * stride + side - 2 * padding;
    const out = new Float32Array(height * width * after);
    for (let i = 0; i < out.length; i += after) out.set(bias, i);
    for (let y = 0; y < map.height; y++) {
      for (let x = 0; x < map.width; x++) {
        const from = (y * map.width + x) * before;
        for (let row = 0; row < side; row++) {
          const outY = y * stride - padding + row;
          if (outY < 0 || outY >= height) continue;
          for (let column = 0; column < side; column++) {
            const outX = x * stride - padding + column;
            if (outX < 0 || outX >= width) continue;
            const to = (outY * width + outX) * after;
            let at = (row * side + column) * before * after;
            for (let channel = 0; channel < before; channel++, at += after) {
              const value = map.values[from + channel];
              if (value === 0) continue;
              for (let k = 0; k < after; k++) out[to + k] += value * weight[at + k];
            }
          }
        }
      }
    }
    return { height, width, channels: after, values: out };
  }
}
