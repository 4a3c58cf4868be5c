#!/usr/bin/env python3
"""Drives a page of `advstep-hpc report` in a headless Chromium: figures, legend, axes, sorting, hovering, distributions, keyboard, printing.

    check_report.py PAGE.html [--shots DIRECTORY] [--browser PROGRAM]

Exits with 77 if there is no browser. Needs Python's standard library only: the browser is driven by the DevTools protocol over two pipes.
"""

import argparse
import base64
import json
import math
import os
import pathlib
import select
import shutil
import subprocess
import sys
import tempfile
import time

BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]
SKIPPED = 77
PATIENCE = 60


class Browser:
    """A browser with one page, driven by messages that end with a zero byte on file descriptors 3 and 4."""

    def __init__(self, program):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        theirs_in, self.out = os.pipe()
        self.into, theirs_out = os.pipe()
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage", "--hide-scrollbars",
                   "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe", "--force-device-scale-factor=1",
                   f"--user-data-dir={self.profile.name}", "--window-size=1280,900", "about:blank"]
        command = f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}'
        self.process = subprocess.Popen(["bash", "-c", command, program, *options], pass_fds=(theirs_in, theirs_out),
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(theirs_in), os.close(theirs_out)
        self.rest, self.number, self.events, self.session = b"", 0, [], None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log", "Network", "DOM", "Accessibility"]:
            self.call(f"{domain}.enable")

    def message(self):
        end = time.monotonic() + PATIENCE
        while b"\0" not in self.rest:
            if not select.select([self.into], [], [], max(0.0, end - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            piece = os.read(self.into, 1 << 20)
            if not piece:
                raise EOFError("the browser has ended")
            self.rest += piece
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.out, data):]
        while True:
            answer = self.message()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def run(self, script):
        """The value of a JavaScript expression."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def open(self, page):
        self.call("Page.navigate", url=page.resolve().as_uri())
        end = time.monotonic() + PATIENCE
        while self.run("document.documentElement?.dataset.ready") != "yes":
            if time.monotonic() > end:
                raise TimeoutError("the page does not get ready: " + "; ".join(self.complaints()))
            time.sleep(0.05)

    def complaints(self):
        """Errors of the console, and requests that leave the page."""
        found = []
        for event in self.events:
            method, parameters = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                found.append(json.dumps(parameters["exceptionDetails"])[:300])
            if method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
                found.append(json.dumps(parameters["args"])[:300])
            if method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
                found.append(parameters["entry"]["text"])
            if method == "Network.requestWillBeSent" and not parameters["request"]["url"].startswith(("file:", "data:", "about:")):
                found.append("requested " + parameters["request"]["url"])
        return found

    def place(self, element):
        """The middle of an element, scrolled into view."""
        box = self.run(f"(() => {{ const e = {element}; e.scrollIntoView({{block: 'center', inline: 'center'}});"
                       " const b = e.getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height / 2]; })()")
        return {"x": box[0], "y": box[1]}

    def click(self, element):
        at = self.place(element)
        for kind in ["mousePressed", "mouseReleased"]:
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)

    def move(self, element):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", **self.place(element))

    def key(self, name):
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowLeft": 37, "ArrowRight": 39, "ArrowDown": 40}
        text = {"text": "\r"} if name == "Enter" else {"text": " "} if name == " " else {}
        code = "Space" if name == " " else name
        self.call("Input.dispatchKeyEvent", type="keyDown", key=name, code=code, windowsVirtualKeyCode=codes[name], **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=name, code=code, windowsVirtualKeyCode=codes[name])

    def picture(self, path, whole=True):
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self):
        try:
            self.session = None
            self.call("Browser.close")
        except (OSError, EOFError, TimeoutError, RuntimeError):
            self.process.kill()
        self.process.wait()
        self.profile.cleanup()


def check(condition, message):
    if not condition:
        raise AssertionError(message)


FIRST = "document.querySelector('figure[data-column] svg')"


def curves(browser):
    """Curves by figure."""
    return browser.run("[...document.querySelectorAll('figure[data-column]')].map(f => f.querySelectorAll('.curve').length)")


def check_figures(browser):
    data = browser.run("JSON.parse(document.getElementById('data').textContent)")
    count = curves(browser)
    check(len(count) >= 4 and min(count) > 0, f"figures without curves: {count}")
    markup = browser.run("[...document.querySelectorAll('figure svg')].map(s => s.outerHTML).join('')")
    check("NaN" not in markup and "Infinity" not in markup and "undefined" not in markup, "numbers that are none in a figure")
    inside = browser.run(f"""(() => {{ const all = [...document.querySelectorAll('figure[data-column] svg')];
        return all.every(svg => {{ const b = svg.getBBox(), v = svg.viewBox.baseVal;
            return b.x >= -0.5 && b.y >= -0.5 && b.x + b.width <= v.width + 0.5 && b.y + b.height <= v.height + 0.5; }}); }})()""")
    check(inside, "a figure is cut off")
    depth, source = browser.run("control('panel').value"), data["files"][0]
    here = [row for row in source["rows"] if str(row["L"]) == depth and row["direction"] == source["directions"][0]]
    cells = browser.run("document.querySelectorAll('#map .cell').length")
    check(here[0]["shape"] is not None or cells == len(here), f"{cells} cells of {len(here)} in the map")
    return data


def check_legend(browser):
    before = curves(browser)
    first = "document.querySelector('#legend button')"
    browser.click(first)
    check(browser.run(f"{first}.getAttribute('aria-pressed')") == "false", "a click does not switch a curve off")
    check(curves(browser)[0] == before[0] - 1, "the curve is still drawn")
    browser.run(f"{first}.focus()")
    browser.key("Enter")
    check(browser.run(f"{first}.getAttribute('aria-pressed')") == "true" and curves(browser) == before, "Enter does not switch it on again")
    check(browser.run("document.activeElement === " + first), "the keyboard has lost its place")


def heights(browser, index):
    path = browser.run(f"{FIRST}.querySelectorAll('.curve')[{index}].getAttribute('d')")
    return [float(point.split()[1]) for point in path.replace("M", "L").split("L")[1:]]


def check_axes(browser, data):
    """Heights of points are those of the numbers, on a linear and on a logarithmic axis."""
    rows = data["files"][0]["rows"]
    depth, direction = browser.run("control('panel').value"), data["files"][0]["directions"][0]
    if browser.run("control('x').value") != "k":
        return
    dim = min(row["d"] for row in rows if str(row["L"]) == depth)
    here = [row for row in rows if (str(row["L"]), row["d"], row["direction"]) == (depth, dim, direction) and row["k"] is not None]
    values = [row["values"][0] for row in sorted(here, key=lambda row: row["k"])]

    def is_affine(numbers, positions):
        pairs = list(zip(numbers, positions))
        low, high = min(pairs), max(pairs)
        if len(pairs) < 3 or high[0] - low[0] < 1e-9:
            return True
        slope = (high[1] - low[1]) / (high[0] - low[0])
        return slope < 0 and all(abs(low[1] + slope * (number - low[0]) - position) < 0.1 for number, position in pairs)

    check(len(heights(browser, 0)) == len(values), "not every point is drawn")
    check(is_affine(values, heights(browser, 0)), f"linear: {values} at {heights(browser, 0)}")
    browser.click("document.getElementById('log-y')")
    check(is_affine([math.log(value) for value in values if value > 0], heights(browser, 0)), f"logarithmic: {values} at {heights(browser, 0)}")
    browser.click("document.getElementById('log-y')")
    check(is_affine(values, heights(browser, 0)), "the linear axis does not come back")


def choose(browser, name, value):
    browser.run(f"(() => {{ const s = document.getElementById('{name}'); s.value = {json.dumps(value)};"
                " s.dispatchEvent(new Event('input', {bubbles: true})); })()")


def check_choices(browser, data):
    options = browser.run("[...document.getElementById('panel').options].map(o => o.value)")
    rows = [row for file in data["files"] for row in file["rows"]]
    check(options == [str(depth) for depth in sorted({row["L"] for row in rows})], f"depths {options}")
    before = browser.run(f"{FIRST}.outerHTML")
    choose(browser, "panel", options[-1])
    if len(options) > 1:
        check(browser.run(f"{FIRST}.outerHTML") != before, "another depth draws the same")
    for x in browser.run("[...document.getElementById('x').options].map(o => o.value)"):
        choose(browser, "x", x)
        check(max(curves(browser)) > 0, f"nothing against {x}")
        check("NaN" not in browser.run(f"{FIRST}.outerHTML"), f"not a number against {x}")
        for band in ["std", "none", "stderr"]:
            choose(browser, "band", band)
    boxes = browser.run("document.querySelectorAll('input[name=direction]').length")
    check(boxes == (len(data["directions"]) if len(data["directions"]) > 1 else 0), f"{boxes} directions to choose")
    choose(browser, "x", browser.run("document.getElementById('x').options[0].value"))
    choose(browser, "panel", browser.run("document.getElementById('panel').options[0].value"))
    if boxes:
        count = curves(browser)
        browser.click("document.querySelector('input[name=direction]')")
        check(curves(browser)[0] < count[0], "a direction is not switched off")
        browser.click("document.querySelector('input[name=direction]')")


def check_sorting(browser):
    heads = browser.run("[...document.querySelector('#cells table').tHead.rows[0].cells].map(c => c.textContent)")
    for title in ["k", "shape", "found", "‖∇f‖ mean", "search"]:
        if title not in heads:
            continue
        index = heads.index(title)
        head = f"document.querySelector('#cells table').tHead.rows[0].cells[{index}]"
        orders = []
        for expected in ["ascending", "descending"]:
            browser.click(f"{head}.querySelector('button')")
            check(browser.run(f"{head}.getAttribute('aria-sort')") == expected, f"{title} is not sorted {expected}")
            column = browser.run("[...document.querySelector('#cells table').tBodies[0].rows]"
                                 f".map(r => r.cells[{index}].dataset.v ?? r.cells[{index}].textContent)")
            filled = [text for text in column if text != ""]
            check(column[:len(filled)] == filled, f"{title}: missing values are not last")
            try:
                orders.append([float(text) for text in filled])
            except ValueError:
                orders.append(filled)
        check(orders[0] == sorted(orders[0]) and orders[1] == sorted(orders[1], reverse=True), f"{title} is not in order: {orders}")
    browser.run("document.querySelector('#cells th button').focus()")
    browser.key("Enter")
    check(browser.run("document.querySelector('#cells th').getAttribute('aria-sort')") == "ascending", "Enter does not sort")


def check_hovering(browser):
    value = "document.querySelector('figure[data-column] .value').textContent"
    marker = f"{FIRST}.querySelector('title').parentNode"
    browser.move(marker)
    text = browser.run(value)
    titles = browser.run(f"[...{FIRST}.querySelectorAll('title')].map(t => t.textContent)")
    check(text in titles and "L = " in text, f"the pointer shows `{text}`")
    browser.run(f"{FIRST}.focus()")
    seen = []
    for _ in range(2):
        browser.key("ArrowRight")
        seen.append(browser.run(value))
    check(all(text in titles for text in seen), f"the arrow keys show {seen}")
    browser.key("Escape")
    check(browser.run(value) == "", "Escape does not end it")


DISTRIBUTIONS = "[...document.querySelectorAll('figure[data-distribution]')]"


def stairs(browser, figure, curve):
    """The corners of a curve as (x, y)."""
    path = browser.run(f"{DISTRIBUTIONS}[{figure}].querySelectorAll('.curve')[{curve}].getAttribute('d')")
    steps = path.split("H")[1:-1]
    return [tuple(map(float, step.split("V"))) for step in steps]


def check_distributions(browser, data):
    """A curve per width at the depth and dim chosen, as high as the share of its inputs, on both kinds of axes."""
    def counts():
        return browser.run(f"{DISTRIBUTIONS}.map(f => f.querySelectorAll('.curve').length)")

    def is_affine(numbers, positions, rising):
        low, high = (min(numbers), positions[0]), (max(numbers), positions[-1])
        if high[0] - low[0] < 1e-9:
            return True
        slope = (high[1] - low[1]) / (high[0] - low[0])
        return (slope > 0) == rising and all(abs(low[1] + slope * (n - low[0]) - at) < 0.1 for n, at in zip(numbers, positions))

    depth, source = browser.run("control('panel').value"), data["files"][0]
    dim = browser.run("control('at').value")
    rows = [row for file in data["files"] for row in file["rows"] if (str(row["L"]), str(row["d"])) == (depth, dim)]
    check(counts() == [len(rows), len(rows)], f"{counts()} distributions of {len(rows)} cells at L = {depth}, d = {dim}")
    markup = browser.run(f"{DISTRIBUTIONS}.map(f => f.outerHTML).join('')")
    check("NaN" not in markup and "Infinity" not in markup and "undefined" not in markup, "numbers that are none in a distribution")

    first = [row for row in source["rows"] if (str(row["L"]), str(row["d"]), row["direction"]) == (depth, dim, source["directions"][0])]
    first.sort(key=lambda row: (row["k"] is None, row["k"]))
    if first[0]["shape"] is None:
        for figure, log in [(0, False), (1, False), (1, True)]:
            if log:
                browser.click("document.getElementById('log-value')")
                browser.click("document.getElementById('log-share')")
            given = first[0]["distributions"][figure]
            values, drawn = given["values"], stairs(browser, figure, 0)
            check(0 < len(drawn) <= len(values) and len(drawn) >= 0.9 * len(values), f"{len(drawn)} points of {len(values)}")
            last = max(len(values) - 1, 1)
            shares = [(i * (given["finite"] - 1) // last + 1) / given["count"] for i in range(len(drawn))]
            scale = math.log if log else float
            pairs = [(scale(value), x) for value, (x, _) in zip(values, drawn) if not log or value > 0]
            check(is_affine(*zip(*pairs), rising=True), f"values {values} at {drawn}")
            check(is_affine([scale(share) for share in shares], [y for _, y in drawn], rising=False), f"shares {shares} at {drawn}")
        browser.click("document.getElementById('log-value')")
        browser.click("document.getElementById('log-share')")

    value = f"{DISTRIBUTIONS}[0].querySelector('.value').textContent"
    browser.run(f"{DISTRIBUTIONS}[0].querySelector('svg').focus()")
    browser.key("ArrowRight")
    text = browser.run(value)
    check(f"L = {depth}, d = {dim}" in text and " ≤ " in text and text.endswith(" inputs"), f"the arrow keys show `{text}`")
    browser.key("Escape")
    at = browser.run(f"(() => {{ const svg = {DISTRIBUTIONS}[0].querySelector('svg'); svg.scrollIntoView({{block: 'center'}});"
                     " const b = svg.getBoundingClientRect(), e = svg.querySelector('.curve').getAttribute('d').match(/H([\\d.]+)V([\\d.]+)/);"
                     " return [b.left + e[1] * b.width / 440, b.top + e[2] * b.height / 300]; })()")
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=at[0], y=at[1])
    check(" ≤ " in browser.run(value), "the pointer shows no value of a distribution")

    button = "document.querySelector('#distribution-legend button')"
    before = counts()
    browser.click(button)
    check(all(now < then for now, then in zip(counts(), before)), "a distribution is not switched off")
    browser.run(f"{button}.focus()")
    browser.key("Enter")
    check(counts() == before and browser.run(f"document.activeElement === {button}"), "Enter does not switch it on again")

    options = browser.run("[...control('at').options].map(o => o.value)")
    dims = sorted({row["d"] for file in data["files"] for row in file["rows"] if str(row["L"]) == depth})
    check(options == [str(d) for d in dims], f"dims {options}")
    drawn = browser.run(f"{DISTRIBUTIONS}[0].innerHTML")
    choose(browser, "at", options[-1])
    check(len(options) == 1 or browser.run(f"{DISTRIBUTIONS}[0].innerHTML") != drawn, "another dim draws the same")
    if browser.run("[...document.getElementById('x').options].some(o => o.value === 'L')"):
        choose(browser, "x", "L")
        depths = browser.run("[...control('at').options].map(o => o.value)")
        check(depths == [str(L) for L in sorted({row["L"] for file in data["files"] for row in file["rows"]})], f"depths {depths}")
        check(min(counts()) > 0, "no distributions against L")
        choose(browser, "x", "k")
    boxes = browser.run("document.querySelectorAll('input[name=direction]').length")
    if boxes:
        before = counts()
        browser.click("document.querySelector('input[name=direction]')")
        check(counts()[0] < before[0], "the distributions of a direction are not switched off")
        browser.click("document.querySelector('input[name=direction]')")
    choose(browser, "at", options[0])


def check_keyboard(browser):
    """Tab reaches every control, and every control has a name."""
    script = "[...document.querySelectorAll('a[href], button, input, select, [tabindex=\"0\"]')].filter(e => e.getClientRects().length)"
    browser.run(f"{script}.forEach((e, i) => e.setAttribute('data-number', i)); document.activeElement.blur(); window.scrollTo(0, 0)")
    count, reached = browser.run(f"{script}.length"), set()
    for _ in range(count + 5):
        browser.key("Tab")
        number = browser.run("document.activeElement?.getAttribute('data-number')")
        if number is not None:
            reached.add(number)
    missing = [number for number in range(count) if str(number) not in reached]
    names = browser.run(f"{json.dumps(missing)}.map(i => document.querySelector(`[data-number=\"${{i}}\"]`)?.outerHTML.slice(0, 80))")
    check(not missing, f"Tab does not reach {names}")
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "checkbox", "combobox", "MenuListPopup", "link", "image", "img", "region")
    for node in nodes:
        role = node.get("role", {}).get("value")
        if not node.get("ignored") and role in roles and role != "MenuListPopup":
            check(node.get("name", {}).get("value"), f"a {role} without a name: {json.dumps(node)[:300]}")


def check_printing(browser, shots):
    pdf = base64.b64decode(browser.call("Page.printToPDF", printBackground=False)["data"])
    check(pdf.startswith(b"%PDF-"), "it cannot be printed")
    browser.call("Emulation.setEmulatedMedia", media="print")
    check(browser.run("getComputedStyle(document.getElementById('controls')).display") == "none", "controls are printed")
    check(browser.run("getComputedStyle(document.querySelector('figure svg')).display") != "none", "figures are not printed")
    if shots:
        (shots / "print.pdf").write_bytes(pdf)
        browser.picture(shots / "print.png")
    browser.call("Emulation.setEmulatedMedia", media="")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=pathlib.Path)
    parser.add_argument("--shots", type=pathlib.Path, help="directory for screenshots")
    parser.add_argument("--browser", default=os.environ.get("ADVSTEP_BROWSER"), help="browser to use [default: ADVSTEP_BROWSER, or the first found]")
    arguments = parser.parse_args()
    program = arguments.browser or next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        print(f"report: SKIPPED: none of {', '.join(BROWSERS)} is installed; set ADVSTEP_BROWSER")
        return SKIPPED
    shots = arguments.shots
    if shots:
        shots.mkdir(parents=True, exist_ok=True)
    browser = Browser(program)
    try:
        browser.open(arguments.page)
        data = check_figures(browser)
        if shots:
            browser.picture(shots / "page.png")
        check_legend(browser)
        check_axes(browser, data)
        check_choices(browser, data)
        check_sorting(browser)
        check_hovering(browser)
        check_distributions(browser, data)
        if shots:
            browser.picture(shots / "used.png")
        check_keyboard(browser)
        check_printing(browser, shots)
        check(browser.run("window.hacked") is None, "text of a file was run as a script")
        browser.call("Emulation.setDeviceMetricsOverride", width=380, height=800, deviceScaleFactor=1, mobile=False)
        wide = browser.run("document.documentElement.scrollWidth")
        check(wide <= 380, f"a narrow window has to be scrolled sideways: {wide}")
        if shots:
            browser.picture(shots / "narrow.png")
        complaints = browser.complaints()
        check(not complaints, f"the console: {complaints}")
    finally:
        browser.close()
    print("report: ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
