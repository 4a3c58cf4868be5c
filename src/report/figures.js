"use strict";
// Draws figures of curves and the map from the data embedded in the page. Nothing comes from elsewhere.

const data = JSON.parse(document.getElementById("data").textContent);
const SVG = document.querySelector("svg").namespaceURI;
// Viridis, whole, and without its yellow end, which is too light for lines on white.
const HEAT = ["#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"];
const VIRIDIS = ["#440154", "#3b528b", "#21918c", "#5ec962", "#a0da39"];
const SOURCES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
const DASHES = ["", "6 3", "2 2", "8 3 2 3", "10 4"];
const SIZE = { width: 440, height: 300, left: 56, right: 14, top: 10, bottom: 42 };
const off = new Set();

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function html(name, attributes, text) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function distinct(values) {
  return [...new Set(values)];
}

/// Four significant digits.
function short(value) {
  if (value === null) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

// --- What is chosen ---

function control(name) {
  return document.getElementById(name);
}

function chosen() {
  const directions = [...document.querySelectorAll("input[name=direction]")];
  return {
    x: control("x").value,
    panel: control("panel").value,
    band: control("band").value,
    logX: control("log-x").checked,
    logY: control("log-y").checked,
    directions: directions.length ? directions.filter(box => box.checked).map(box => box.value) : data.directions,
  };
}

const AXES = {
  k: { label: "width k", of: row => row.shape === null ? row.k : undefined, panel: "L", curve: row => `d = ${row.d}`, order: row => row.d },
  d: { label: "input dimension d", of: row => row.d, panel: "L", curve: width, order: row => row.k === null ? Infinity : row.k },
  L: { label: "hidden layers L", of: row => row.L, panel: "d", curve: width, order: row => row.k === null ? Infinity : row.k },
};

function width(row) {
  return row.shape !== null ? row.shape : row.k === null ? "k = ∞" : `k = ${row.k}`;
}

/// The files and directions drawn, and the names of the curves of each.
function sources(choice) {
  const several = data.files.length > 1;
  const made = [];
  for (const file of data.files) {
    for (const direction of file.directions.filter(direction => choice.directions.includes(direction))) {
      const names = [several ? file.label : "", data.directions.length > 1 ? direction : ""];
      made.push({ label: names.filter(Boolean).join(", "), rows: file.rows.filter(row => row.direction === direction) });
    }
  }
  return made;
}

/// The curves of a column: one per source and dim or width.
function curves(column, choice) {
  const axis = AXES[choice.x], all = sources(choice), index = data.columns.indexOf(column);
  const rows = all.flatMap(source => source.rows);
  const names = distinct([...rows].sort((a, b) => axis.order(a) - axis.order(b)).map(axis.curve));
  const made = [];
  all.forEach((source, s) => names.forEach((name, n) => {
    const key = `${source.label}|${name}`;
    const here = source.rows.filter(row => String(row[axis.panel]) === choice.panel && axis.curve(row) === name);
    const points = here.map(row => {
      const x = axis.of(row), y = row.values[index];
      const half = choice.band === "none" ? null : (choice.band === "std" ? row.std : row.error)[index] ?? null;
      return { x, y, low: half === null ? null : Math.max(y - half, column.least ?? -Infinity),
        high: half === null ? null : Math.min(y + half, column.most ?? Infinity), row };
    });
    const place = names.length > 1 ? n / (names.length - 1) : 0.3;
    made.push({
      key, source: source.label, name, points: points.filter(point => point.y !== null && point.x !== undefined),
      colour: all.length > 1 ? SOURCES[s % SOURCES.length] : between(place),
      dash: all.length > 1 ? DASHES[n % DASHES.length] : "", marker: all.length > 1 && names.length === 1 ? s : n,
    });
  }));
  return made.filter(curve => curve.points.length);
}

/// The colour at a place in [0, 1] of a scale.
function between(place, scale = VIRIDIS) {
  const at = place * (scale.length - 1), i = Math.min(Math.floor(at), scale.length - 2);
  const channel = (colour, c) => parseInt(colour.slice(1 + 2 * c, 3 + 2 * c), 16);
  const mix = c => Math.round(channel(scale[i], c) + (at - i) * (channel(scale[i + 1], c) - channel(scale[i], c)));
  return `#${[0, 1, 2].map(c => mix(c).toString(16).padStart(2, "0")).join("")}`;
}

// --- Axes ---

/// An axis over `values`: position in [0, 1] of a value, and ticks.
function axisOf(values, log, fromZero) {
  let finite = values.filter(value => Number.isFinite(value) && (!log || value > 0));
  if (!finite.length) finite = [1];
  let low = Math.min(...finite), high = Math.max(...finite);
  if (log) {
    [low, high] = [Math.log10(low), Math.log10(high)];
    const margin = Math.max(0.05 * (high - low), (0.8 - (high - low)) / 2);
    [low, high] = [low - margin, high + margin];
    const ticks = [];
    for (let decade = Math.floor(low); decade <= high; decade++) {
      for (const mantissa of high - low > 2 ? [1] : [1, 2, 5]) {
        const at = decade + Math.log10(mantissa);
        if (at >= low && at <= high) ticks.push(mantissa * 10 ** decade);
      }
    }
    const stride = Math.ceil(ticks.length / 7);
    return { at: value => (Math.log10(value) - low) / (high - low), ticks: ticks.filter((_, i) => i % stride === 0) };
  }
  if (fromZero) low = Math.min(0, low);
  if (high === low) high = low + 1;
  const span = high - low, rough = span / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find(multiple => multiple * power >= rough) * power;
  const ends = fromZero && low === 0 ? [0, high + 0.05 * span] : [low - 0.05 * span, high + 0.05 * span];
  const ticks = [];
  for (let i = Math.ceil(ends[0] / step); i * step <= ends[1]; i++) ticks.push(i * step);
  return { at: value => (value - ends[0]) / (ends[1] - ends[0]), ticks };
}

function tickLabel(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e5 || size < 1e-3)) return value.toExponential(0).replace("e+", "e");
  return String(Number(value.toPrecision(6)));
}

// --- Figures ---

function marker(kind, x, y, colour) {
  const r = 3.6, around = { fill: colour, stroke: "#fff", "stroke-width": 0.6 };
  const polygon = points => element("polygon", { points: points.map(([dx, dy]) => `${x + r * dx},${y + r * dy}`).join(" "), ...around });
  switch (kind % 5) {
    case 1: return polygon([[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]]);
    case 2: return polygon([[0, -1.2], [1.15, 0.9], [-1.15, 0.9]]);
    case 3: return polygon([[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]]);
    case 4: return polygon([[0, 1.2], [1.15, -0.9], [-1.15, -0.9]]);
    default: return element("circle", { cx: x, cy: y, r, ...around });
  }
}

/// Grid, ticks, frame and labels of a plot; ticks are pairs of position and label.
function drawFrame(svg, xTicks, yTicks, xLabel, yLabel) {
  const { width: W, height: H, left, right, top, bottom } = SIZE, inner = W - left - right;
  for (const [at, label] of yTicks) {
    svg.append(element("line", { x1: left, x2: W - right, y1: at, y2: at, stroke: "#e4e4e4" }));
    svg.append(element("text", { x: left - 6, y: at + 4, "text-anchor": "end" }, label));
  }
  for (const [at, label] of xTicks) {
    svg.append(element("line", { x1: at, x2: at, y1: H - bottom, y2: H - bottom + 4, stroke: "#1a1a1a" }));
    svg.append(element("text", { x: at, y: H - bottom + 16, "text-anchor": "middle" }, label));
  }
  svg.append(element("rect", { x: left, y: top, width: inner, height: H - top - bottom, fill: "none", stroke: "#1a1a1a" }));
  svg.append(element("text", { x: left + inner / 2, y: H - 8, "text-anchor": "middle" }, xLabel));
  svg.append(element("text", { transform: `translate(13 ${top + (H - top - bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, yLabel));
}

function describe(column, curve, point) {
  const { row } = point;
  const where = `L = ${row.L}, d = ${row.d}, ${width(row)}`;
  const band = point.low === null ? "" : ` [${short(point.low)}, ${short(point.high)}]`;
  return `${curve.source ? `${curve.source}: ` : ""}${where}: ${column.label} = ${short(point.y)}${band}`;
}

function draw(figure, column, choice) {
  const shown = curves(column, choice).filter(curve => !off.has(curve.key));
  const { width: W, height: H, left, right, top, bottom } = SIZE;
  const svg = element("svg", { viewBox: `0 0 ${W} ${H}`, tabindex: 0, role: "img" });
  const points = shown.flatMap(curve => curve.points);
  const usable = points.filter(point => !choice.logY || point.y > 0);
  const heights = usable.flatMap(point => [point.y, point.low, point.high]).filter(value => value !== null);
  // A band may reach down to 0, where a logarithmic axis ends.
  const floor = Math.min(...usable.map(point => point.y)) * 0.3;
  const y = axisOf(choice.logY ? heights.map(value => Math.max(value, floor)) : heights, choice.logY, true);
  const hasInfinity = choice.x === "k" && points.some(point => point.x === null);
  const x = axisOf(points.map(point => point.x).filter(value => value !== null), choice.logX && choice.x !== "L", false);
  const inner = W - left - right, slot = hasInfinity ? 0.14 * inner : 0;
  const atX = point => point.x === null ? left + inner - slot / 2 : left + x.at(point.x) * (inner - slot);
  const atY = value => {
    const place = choice.logY && value <= 0 ? 0 : y.at(value);
    return H - bottom - Math.min(Math.max(place, 0), 1) * (H - top - bottom);
  };

  const xTicks = x.ticks.map(tick => [left + x.at(tick) * (inner - slot), tickLabel(tick)]);
  if (hasInfinity) xTicks.push([left + inner - slot / 2, "∞"]);
  const isShown = ([, label]) => choice.x !== "L" || Number.isInteger(Number(label));
  drawFrame(svg, xTicks.filter(isShown), y.ticks.map(tick => [atY(tick), tickLabel(tick)]), AXES[choice.x].label, column.label);
  if (!usable.length) {
    svg.append(element("text", { x: left + inner / 2, y: H / 2, "text-anchor": "middle" }, "nothing to show"));
  }

  const spots = [];
  for (const curve of shown) {
    const drawn = curve.points.filter(point => !choice.logY || point.y > 0);
    const finite = drawn.filter(point => point.x !== null);
    const banded = finite.filter(point => point.low !== null);
    const path = list => list.map(([px, py], i) => `${i ? "L" : "M"}${px.toFixed(2)} ${py.toFixed(2)}`).join("");
    if (banded.length > 1) {
      const outline = [...banded.map(point => [atX(point), atY(point.low)]), ...banded.reverse().map(point => [atX(point), atY(point.high)])];
      svg.append(element("path", { d: `${path(outline)}Z`, fill: curve.colour, "fill-opacity": 0.1 }));
    }
    svg.append(element("path", { d: path(finite.map(point => [atX(point), atY(point.y)])), fill: "none", stroke: curve.colour,
      "stroke-width": 1.8, "stroke-dasharray": curve.dash, class: "curve" }));
    for (const point of drawn) {
      if (point.x === null) {
        const ends = { x1: left, x2: atX(point), y1: atY(point.y), y2: atY(point.y) };
        svg.append(element("line", { ...ends, stroke: curve.colour, "stroke-dasharray": "4 3" }));
      }
      const spot = marker(curve.marker, atX(point), atY(point.y), curve.colour);
      spot.append(element("title", {}, describe(column, curve, point)));
      svg.append(spot);
      spots.push({ x: atX(point), y: atY(point.y), text: describe(column, curve, point) });
    }
  }
  svg.setAttribute("aria-label", `${column.what}, against ${AXES[choice.x].label}: ${spots.length} points; arrow keys read them`);
  interact(figure, svg, spots);
}

/// Values under the pointer, and by arrow keys.
function interact(figure, svg, spots) {
  const value = figure.querySelector(".value");
  const ring = element("circle", { cx: SIZE.left, cy: SIZE.height / 2, r: 7, fill: "none", stroke: "#1a1a1a", visibility: "hidden" });
  svg.append(ring);
  let at = -1;
  const show = index => {
    at = index;
    const spot = spots[index];
    value.textContent = spot ? spot.text : "";
    ring.setAttribute("visibility", spot ? "visible" : "hidden");
    if (spot) {
      ring.setAttribute("cx", spot.x);
      ring.setAttribute("cy", spot.y);
    }
  };
  svg.addEventListener("pointermove", event => {
    const box = svg.getBoundingClientRect(), scale = SIZE.width / box.width;
    const [px, py] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    const far = spots.map(spot => (spot.x - px) ** 2 + (spot.y - py) ** 2);
    const nearest = far.indexOf(Math.min(...far));
    show(nearest >= 0 && far[nearest] < 900 ? nearest : -1);
  });
  svg.addEventListener("pointerleave", () => show(-1));
  svg.addEventListener("blur", () => show(-1));
  svg.addEventListener("keydown", event => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step && spots.length) {
      event.preventDefault();
      show(at < 0 ? (step > 0 ? 0 : spots.length - 1) : (at + step + spots.length) % spots.length);
    } else if (event.key === "Escape") {
      show(-1);
    }
  });
  figure.querySelector("svg")?.remove();
  figure.insertBefore(svg, value);
}

/// The fraction over width and dim, at the depth chosen, or the first one, of one source.
function drawMap(choice) {
  const figure = control("map"), all = sources(choice);
  if (!figure) return;
  const select = figure.querySelector("select"), labels = all.map(source => source.label);
  if (select.dataset.labels !== JSON.stringify(labels)) {
    select.replaceChildren(...labels.map((label, i) => html("option", { value: i }, label || "all")));
    select.dataset.labels = JSON.stringify(labels);
  }
  figure.querySelector("label").hidden = labels.length < 2;
  const rows = all[select.value]?.rows ?? [];
  const depth = choice.x === "L" ? Math.min(...rows.map(row => row.L)) : Number(choice.panel);
  const here = rows.filter(row => row.L === depth);
  const ascending = values => distinct(values).sort((a, b) => (a ?? Infinity) - (b ?? Infinity));
  const [widths, dims] = [ascending(here.map(row => row.k)), ascending(here.map(row => row.d))];
  const column = data.columns.find(column => column.name === "fraction"), index = data.columns.indexOf(column);
  const { width: W, height: H, left, right, top, bottom } = SIZE, head = top + 14;
  const [cellWidth, cellHeight] = [(W - left - right) / widths.length, (H - head - bottom) / dims.length];
  const svg = element("svg", { viewBox: `0 0 ${W} ${H}`, tabindex: 0, role: "img" }), spots = [];
  svg.append(element("text", { x: left + (W - left - right) / 2, y: head - 7, "text-anchor": "middle" }, `L = ${depth}`));
  for (const row of here) {
    const value = row.values[index], x = left + widths.indexOf(row.k) * cellWidth;
    const y = H - bottom - (dims.indexOf(row.d) + 1) * cellHeight, middle = [x + cellWidth / 2, y + cellHeight / 2];
    const fill = value === null ? "#e6e6e6" : between(value, HEAT);
    svg.append(element("rect", { x, y, width: cellWidth, height: cellHeight, fill, stroke: "#fff", class: "cell" }));
    if (cellWidth > 26 && cellHeight > 12) {
      const style = `fill: ${value !== null && value < 0.6 ? "#fff" : "#1a1a1a"}`;
      const shown = value === null ? "" : [0, 1].includes(value) ? String(value) : value.toFixed(2);
      svg.append(element("text", { x: middle[0], y: middle[1] + 4, "text-anchor": "middle", style }, shown));
    }
    const point = { row, y: value, low: null, high: null };
    spots.push({ x: middle[0], y: middle[1], text: describe(column, { source: all[select.value].label }, point) });
  }
  const stride = Math.ceil(30 / cellWidth);
  widths.forEach((k, i) => {
    const at = { x: left + (i + 0.5) * cellWidth, y: H - bottom + 16, "text-anchor": "middle" };
    if (i % stride === 0) svg.append(element("text", at, k === null ? "∞" : tickLabel(k)));
  });
  const rise = Math.ceil(12 / cellHeight);
  dims.forEach((d, i) => {
    const at = { x: left - 6, y: H - bottom - (i + 0.5) * cellHeight + 4, "text-anchor": "end" };
    if (i % rise === 0) svg.append(element("text", at, tickLabel(d)));
  });
  svg.append(element("text", { x: left + (W - left - right) / 2, y: H - 8, "text-anchor": "middle" }, "width k"));
  svg.append(element("text", { transform: `translate(13 ${H / 2}) rotate(-90)`, "text-anchor": "middle" }, "input dimension d"));
  svg.setAttribute("aria-label", `fraction flipped over k and d, L = ${depth}: ${spots.length} cells; arrow keys read them`);
  interact(figure, svg, spots);
}

