// A feature map to point at. Whatever place the pointer is on, the sum of its neuron is added up here, from the values
// and weights that the page carries, and stands beside what the network had computed.
(() => {
  const SIDE = 300;
  const floats = (text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return new Float32Array(bytes.buffer);
  };
  const element = (kind, parent, text) => {
    const made = document.createElement(kind);
    if (text !== undefined) made.textContent = text;
    parent.append(made);
    return made;
  };
  const number = (value, digits = 4) => (value === 0 ? "0" : Number(value.toPrecision(digits)).toString());

  // Grey from the smallest value to the largest; where there are both signs, blue through white to red.
  const painter = (values) => {
    let low = Infinity;
    let high = -Infinity;
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    const signed = low < 0 && high > 0;
    if (signed) {
      high = Math.max(high, -low);
      low = -high;
    }
    if (!(high > low)) high = low + 1;
    return (value) => {
      const share = (value - low) / (high - low);
      if (!signed) return [share, share, share];
      const away = Math.abs(share * 2 - 1);
      return share >= 0.5 ? [1 - 0.25 * away, 1 - away, 1 - away] : [1 - away, 1 - away, 1 - 0.15 * away];
    };
  };

  const start = (root) => {
    const data = JSON.parse(root.querySelector("script").textContent);
    const taken = floats(data.taken);
    const weights = floats(data.weights);
    const map = floats(data.map);
    const after = data.after.map((step) => ({ words: step.words, values: floats(step.values) }));
    const [high, wide] = data.window;
    const [top, left, bottom, right] = data.taken_region;
    const [mapHigh, mapWide] = data.map_size;
    const [firstRow, firstColumn, lastRow, lastColumn] = data.region;
    const plane = (bottom - top) * (right - left);
    let [y, x] = data.start;

    const value = (channel, row, column) => {
      const outside = row < 0 || column < 0 || row >= data.taken_size[0] || column >= data.taken_size[1];
      return outside ? 0 : taken[channel * plane + (row - top) * (right - left) + column - left];
    };
    const corner = () => [y * data.stride[0] - data.before[0], x * data.stride[1] - data.before[1]];
    const window_ = (channel) => {
      const [row, column] = corner();
      const found = [];
      for (let i = 0; i < high; i += 1)
        for (let j = 0; j < wide; j += 1)
          found.push(value(channel, row + i * data.dilation[0], column + j * data.dilation[1]));
      return found;
    };
    const kernel = (channel) => weights.subarray(channel * high * wide, (channel + 1) * high * wide);
    const sumOf = (channel) => window_(channel).reduce((sum, one, index) => sum + one * kernel(channel)[index], 0);

    element("p", root, "Point at a place of the map on the right, or move with the arrow keys once it is chosen: the page adds up that neuron.");
    const figures = element("div", root);
    figures.className = "maps";
    const canvasOf = (words) => {
      const figure = element("figure", figures);
      const canvas = element("canvas", figure);
      return { canvas, caption: element("figcaption", figure, words) };
    };
    const before = canvasOf("");
    const own = canvasOf(`Map ${data.unit} of ${data.layer}.`);
    own.canvas.tabIndex = 0;
    own.canvas.setAttribute("role", "application");
    own.canvas.setAttribute("aria-label", `Map ${data.unit} of ${data.layer}; arrow keys move the neuron`);
    const choice = element("label", root, "Channel: ");
    const select = element("select", choice);
    element("option", select, "the one that adds most").value = "";
    for (let channel = 0; channel < data.channels; channel += 1)
      element("option", select, String(channel + data.first_channel)).value = String(channel);
    const sums = element("pre", root);
    sums.setAttribute("aria-live", "polite");
    const grids = element("div", root);
    grids.className = "grids";

    const drawn = (canvas, rows, columns, valueAt, values) => {
      const factor = Math.max(1, Math.floor(SIDE / Math.max(rows, columns)));
      canvas.width = columns * factor;
      canvas.height = rows * factor;
      canvas.style.width = `${columns * Math.max(1, SIDE / Math.max(rows, columns))}px`;
      const colour = painter(values);
      const pen = canvas.getContext("2d");
      for (let row = 0; row < rows; row += 1)
        for (let column = 0; column < columns; column += 1) {
          pen.fillStyle = `rgb(${colour(valueAt(row, column)).map((one) => Math.round(255 * one)).join(",")})`;
          pen.fillRect(column * factor, row * factor, factor, factor);
        }
      return { pen, factor };
    };
    const box = ({ pen, factor }, row, column, rows, columns, style) => {
      pen.strokeStyle = style;
      pen.lineWidth = 2;
      pen.strokeRect(column * factor - 1, row * factor - 1, columns * factor + 2, rows * factor + 2);
    };

    const table = (words, values, planeColour) => {
      const figure = element("figure", grids);
      const body = element("table", figure);
      for (let i = 0; i < high; i += 1) {
        const row = element("tr", body);
        for (let j = 0; j < wide; j += 1) {
          const cell = element("td", row, number(values[i * wide + j]));
          const [red, green, blue] = planeColour(values[i * wide + j]).map((one) => Math.round(255 * one));
          cell.style.background = `rgb(${red},${green},${blue})`;
          cell.style.color = 0.3 * red + 0.6 * green + 0.1 * blue > 128 ? "#000" : "#fff";
        }
      }
      element("figcaption", figure, words);
    };

    const show = () => {
      const parts = Array.from({ length: data.channels }, (_, channel) => sumOf(channel));
      const strongest = parts.reduce((best, one, index) => (Math.abs(one) > Math.abs(parts[best]) ? index : best), 0);
      const channel = select.value === "" ? strongest : Number(select.value);
      const total = parts.reduce((sum, one) => sum + one, 0) + data.bias;
      const [row, column] = corner();
      const rows = bottom - top;
      const columns = right - left;
      const piece = taken.subarray(channel * plane, (channel + 1) * plane);
      const seen = drawn(before.canvas, rows, columns, (i, j) => piece[i * columns + j], piece);
      box(seen, row - top, column - left, (high - 1) * data.dilation[0] + 1, (wide - 1) * data.dilation[1] + 1, "#14a03c");
      const near = rows < data.taken_size[0] || columns < data.taken_size[1] ? `, rows ${top} to ${bottom - 1}, columns ${left} to ${right - 1}` : "";
      before.caption.textContent = `Channel ${channel + data.first_channel} of what comes in${near}, and the window.`;
      const shown = drawn(own.canvas, mapHigh, mapWide, (i, j) => map[i * mapWide + j], map);
      if (lastRow - firstRow < mapHigh || lastColumn - firstColumn < mapWide)
        box(shown, firstRow, firstColumn, lastRow - firstRow, lastColumn - firstColumn, "#888");
      box(shown, y, x, 1, 1, "#14a03c");
      const place = (y - firstRow) * (lastColumn - firstColumn) + x - firstColumn;
      const others = parts.length - 1;
      sums.textContent = [
        `${data.layer}[${data.unit}] at (x=${x}, y=${y})`,
        `channel ${channel + data.first_channel}: ${high * wide} products add up to ${number(parts[channel], 6)}`,
        ...(others ? [`${others} other ${others === 1 ? "channel adds" : "channels add"} ${number(total - data.bias - parts[channel], 6)}`] : []),
        `the bias adds ${number(data.bias, 6)}`,
        `the sum, added up by this page: ${total.toPrecision(6)}`,
        `the same in the network: ${map[y * mapWide + x].toPrecision(6)}`,
        ...after.map((step) => `${step.words}: ${step.values[place].toPrecision(6)}`),
      ].join("\n");
      root.dataset.sum = String(total);
      root.dataset.computed = String(map[y * mapWide + x]);
      grids.replaceChildren();
      const values = window_(channel);
      const factors = Array.from(kernel(channel));
      const products = values.map((one, index) => one * factors[index]);
      table("values under the window", values, painter(piece));
      table("times weights", factors, painter(weights));
      table("products", products, painter(products));
    };
    const go = (row, column) => {
      y = Math.min(Math.max(row, firstRow), lastRow - 1);
      x = Math.min(Math.max(column, firstColumn), lastColumn - 1);
      show();
    };
    const point = (event) => {
      const area = own.canvas.getBoundingClientRect();
      go(Math.floor(((event.clientY - area.top) / area.height) * mapHigh), Math.floor(((event.clientX - area.left) / area.width) * mapWide));
    };
    own.canvas.addEventListener("pointerdown", point);
    own.canvas.addEventListener("pointermove", (event) => event.buttons && point(event));
    own.canvas.addEventListener("keydown", (event) => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (!step) return;
      event.preventDefault();
      go(y + step[0], x + step[1]);
    });
    select.addEventListener("change", show);
    show();
  };
  document.querySelectorAll("div.pointing").forEach(start);
})();
