// --- Distributions: empirical CDFs over inputs at one depth and dim, a curve per source and width ---

/// What is chosen, where the curves of distributions differ in width: against k there are none of them.
function chosenDistribution(choice) {
  const x = choice.x === "L" ? "L" : "d", select = control("at"), axis = AXES[x];
  const rows = data.files.flatMap(file => file.rows).filter(row => String(row[axis.panel]) === choice.panel);
  const values = distinct(rows.map(axis.of)).sort((a, b) => a - b).map(String), before = select.value;
  if (select.dataset.values !== x + values) {
    control("at-name").textContent = axis.label;
    select.replaceChildren(...values.map(value => html("option", { value }, value)));
    select.dataset.values = x + values;
    if (values.includes(before)) select.value = before;
  }
  return { ...choice, x, at: select.value, logX: control("log-value").checked, logY: control("log-share").checked };
}

/// The points of an empirical CDF that the page holds.
function cdf({ count, finite, values }) {
  const rank = i => Math.floor(i * (finite - 1) / Math.max(values.length - 1, 1));
  return values.map((x, i) => ({ x, y: (rank(i) + 1) / count }));
}

function drawDistribution(figure, choice) {
  const index = Number(figure.dataset.distribution), quantity = data.distributions[index];
  const at = curve => curve.points.find(point => String(point.x) === choice.at);
  const drawn = curves(data.columns[0], choice).filter(curve => !off.has(curve.key) && at(curve));
  const shown = drawn.map(curve => ({ ...curve, row: at(curve).row, points: cdf(at(curve).row.distributions[index]) }));
  // The last 2 % of the widest distribution would squeeze the rest.
  const reach = Math.max(...shown.map(curve => curve.points[Math.floor(0.98 * curve.points.length)]?.x ?? 0));
  const usable = shown.flatMap(curve => curve.points).filter(point => point.x <= reach && (!choice.logX || point.x > 0));
  const x = axisOf(usable.map(point => point.x), choice.logX, true);
  const y = axisOf(choice.logY ? usable.map(point => point.y) : [0, 1], choice.logY, true);
  const { width: W, height: H, left, right, top, bottom } = SIZE, inner = W - left - right;
  const within = place => Math.min(Math.max(place, 0), 1);
  const atX = value => left + (choice.logX && value <= 0 ? 0 : within(x.at(value))) * inner;
  const atY = value => H - bottom - within(y.at(value)) * (H - top - bottom);

  const svg = element("svg", { viewBox: `0 0 ${W} ${H}`, tabindex: 0, role: "img" }), spots = [];
  const ticks = [x.ticks.map(tick => [atX(tick), tickLabel(tick)]), y.ticks.map(tick => [atY(tick), tickLabel(tick)])];
  drawFrame(svg, ...ticks, quantity.label, quantity.share);
  if (!usable.length) {
    svg.append(element("text", { x: left + inner / 2, y: H / 2, "text-anchor": "middle" }, "nothing to show"));
  }
  for (const curve of shown) {
    const points = curve.points.filter(point => point.x <= reach);
    const stairs = points.map(point => `H${atX(point.x).toFixed(2)}V${atY(point.y).toFixed(2)}`).join("");
    svg.append(element("path", { d: `M${left} ${H - bottom}${stairs}H${W - right}`, fill: "none", stroke: curve.colour,
      "stroke-width": 1.6, "stroke-dasharray": curve.dash, class: "curve" }));
    const where = `${curve.source ? `${curve.source}: ` : ""}L = ${curve.row.L}, d = ${curve.row.d}, ${width(curve.row)}`;
    for (const point of points) {
      const share = `${short(100 * point.y)} % of ${curve.row.distributions[index].count} inputs`;
      spots.push({ x: atX(point.x), y: atY(point.y), text: `${where}: ${quantity.label} ≤ ${short(point.x)} for ${share}` });
    }
  }
  svg.setAttribute("aria-label", `distribution of ${quantity.what}, ${shown.length} curves of ${spots.length} points; arrow keys read them`);
  interact(figure, svg, spots);
}

function drawDistributions(choice) {
  const here = chosenDistribution(choice), { panel } = AXES[here.x];
  legend(control("distribution-legend"), here);
  document.querySelectorAll("figure[data-distribution]").forEach(figure => drawDistribution(figure, here));
  const [L, d] = panel === "L" ? [here.panel, here.at] : [here.at, here.panel];
  control("distribution-shown").textContent = `L = ${L}, d = ${d}`;
}

