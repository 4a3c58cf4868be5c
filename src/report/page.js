// --- The page: legends, controls, and tables that sort ---

/// Buttons that switch curves on and off.
function legend(place, choice) {
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  place.replaceChildren();
  const known = new Map();
  for (const column of data.columns) {
    for (const curve of curves(column, choice)) if (!known.has(curve.key)) known.set(curve.key, curve);
    if (known.size) break;
  }
  for (const curve of known.values()) {
    const button = html("button", { type: "button", "aria-pressed": String(!off.has(curve.key)), "data-key": curve.key });
    const sample = element("svg", { width: 30, height: 12, viewBox: "0 0 30 12", "aria-hidden": "true" });
    sample.append(element("line", { x1: 0, x2: 30, y1: 6, y2: 6, stroke: curve.colour, "stroke-width": 2, "stroke-dasharray": curve.dash }));
    sample.append(marker(curve.marker, 15, 6, curve.colour));
    button.append(sample, [curve.source, curve.name].filter(Boolean).join(", "));
    button.setAttribute("aria-label", `show ${[curve.source, curve.name].filter(Boolean).join(", ")}`);
    button.addEventListener("click", () => {
      off.has(curve.key) ? off.delete(curve.key) : off.add(curve.key);
      redraw();
    });
    place.append(button);
    if (curve.key === focused) button.focus();
  }
}

function panels() {
  const { x, panel } = chosen(), select = control("panel"), name = AXES[x].panel;
  const values = distinct(data.files.flatMap(file => file.rows).map(row => row[name])).sort((a, b) => a - b);
  document.getElementById("panel-name").textContent = name === "L" ? "depth L" : "dim d";
  if (select.dataset.name !== name) {
    select.replaceChildren(...values.map(value => html("option", { value }, String(value))));
    select.dataset.name = name;
    if (values.map(String).includes(panel)) select.value = panel;
  }
}

function redraw() {
  panels();
  const choice = chosen();
  legend(control("legend"), choice);
  for (const figure of document.querySelectorAll("figure[data-column]")) {
    const select = figure.querySelector("select");
    const name = select ? select.value : figure.dataset.column;
    const column = data.columns.find(column => column.name === name);
    draw(figure, column, choice);
  }
  drawMap(choice);
  drawDistributions(choice);
  const words = { std: "bands: 1 std", stderr: "bands: 2 standard errors, networks as clusters", none: "no bands" };
  const panel = AXES[choice.x].panel === "L" ? "L" : "d";
  document.getElementById("shown").textContent = `${panel} = ${choice.panel}, ${words[choice.band]}`;
}

/// Sorts a table by a column; a second time the other way. Missing values stay last.
function sort(heading) {
  const table = heading.closest("table"), body = table.tBodies[0];
  const index = [...heading.parentNode.children].indexOf(heading);
  const descending = heading.getAttribute("aria-sort") === "ascending";
  for (const other of heading.parentNode.children) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const key = row => row.cells[index].dataset.v ?? row.cells[index].textContent;
  const number = text => text === "inf" ? Infinity : Number(text);
  const compare = (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    const [x, y] = [number(a), number(b)];
    const order = Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x === y ? 0 : x - y;
    return descending ? -order : order;
  };
  body.append(...[...body.rows].sort((a, b) => compare(key(a), key(b))));
}

const hasShapes = data.files.some(file => file.rows.some(row => row.shape !== null));
if (hasShapes) {
  for (const option of [...control("x").options]) if (option.value !== "d") option.remove();
}
for (const name of ["controls", "distribution-controls"]) control(name).addEventListener("input", redraw);
document.querySelectorAll("figure select").forEach(select => select.addEventListener("input", redraw));
document.querySelectorAll("th button").forEach(button => button.addEventListener("click", () => sort(button.parentNode)));
redraw();
document.documentElement.dataset.ready = "yes";
