"""Every widget on a phone, on half a screen and on a wide one: nothing is cut off, and the grid holds."""

from __future__ import annotations

import pytest
from examples import WIDGETS
from harness import Lab, Opener

pytestmark = pytest.mark.browser

# What is as it is, and why.
KNOWN = {
    "AugmentationExplorer at 800 px: 4 rows of controls": "whatever an augmentation may do, even with the rare ones folded",
    "NextWord at 1280 px: 3 rows of controls": "the text has a row of its own, and three buttons write in it",
    "NextWord at 1280 px: buttons alone in a row": "the same",
    "NextWord at 1600 px: a row is empty by": "its words are wide and low: beside them a tall plot would be small",
}

# What is wrong with one widget, in words.
FAULTS = """(box) => {
  const faults = [];
  const output = box.closest(".jp-OutputArea-output");
  if (output.scrollWidth > output.clientWidth) faults.push(`${output.scrollWidth - output.clientWidth} px too wide`);
  const page = output.getBoundingClientRect();
  const name = (node) => `${node.className || node.tagName} ${(node.textContent || "").trim().slice(0, 30)}`;
  for (const node of box.querySelectorAll("*:not(svg *, .noUi-target *)")) {
    const place = node.getBoundingClientRect();
    if (!place.width) continue;
    if (place.left < page.left - 0.5) faults.push(`cut off at the left: ${name(node)}`);
    if (place.right > page.right + 0.5) faults.push(`cut off at the right: ${name(node)}`);
  }

  const middle = (place) => (place.top + place.bottom) / 2;
  const rowsOf = (nodes) => { // what stands side by side, from the top
    const rows = [];
    const places = nodes.map((node) => ({ node, place: node.getBoundingClientRect() })).filter(({ place }) => place.width);
    for (const { node, place } of places.sort((a, b) => a.place.top - b.place.top)) {
      if (!rows.length || place.top > rows.at(-1).bottom - 2) rows.push({ nodes: [], width: 0, bottom: -Infinity });
      const row = rows.at(-1);
      row.nodes.push(node);
      row.width += place.width;
      row.bottom = Math.max(row.bottom, place.bottom);
    }
    return rows;
  };

  const controls = [...box.querySelectorAll(":is(.ssl-group, .ssl-end) > :not(.ssl-end)")];
  const controlRows = rowsOf(controls);
  const most = page.width >= 800 ? 2 : page.width >= 600 ? 3 : Infinity;
  if (controlRows.length > most) faults.push(`${controlRows.length} rows of controls`);
  const isButton = (node) => node.matches("button, :has(> button)");
  for (const { nodes } of page.width >= 800 && controlRows.length > 1 ? controlRows : []) {
    if (nodes.every(isButton)) faults.push(`buttons alone in a row: ${nodes.map(name)}`);
  }
  const reset = controls.find((node) => node.textContent.trim() === "Reset").getBoundingClientRect();
  const others = controls.map((node) => node.getBoundingClientRect()).filter((place) => place.left !== reset.left
    && place.top < middle(reset) && middle(reset) < place.bottom);
  if (!others.length) faults.push("Reset is alone in its row");
  if (others.some((place) => place.left > reset.left)) faults.push("Reset is not at the end of its row");
  const label = [...box.querySelectorAll("button")].filter((node) => node.scrollWidth > node.clientWidth);
  for (const node of label) faults.push(`no room for the word ${node.textContent}`);

  const pen = document.createElement("canvas").getContext("2d");
  for (const menu of box.querySelectorAll("select")) {
    const { font, paddingLeft, paddingRight } = getComputedStyle(menu);
    const room = menu.clientWidth - Number.parseFloat(paddingLeft) - Number.parseFloat(paddingRight) + 0.5; // rounded
    pen.font = font;
    for (const { text } of menu.options) if (pen.measureText(text).width > room) faults.push(`a menu cuts "${text}"`);
  }

  const rows = {};
  for (const picture of box.querySelectorAll(".ssl-picture")) {
    const { top, width, height } = picture.getBoundingClientRect();
    (rows[Math.round(top)] ??= []).push(height);
    if (picture.getBoundingClientRect().left < page.left + 1) faults.push("the left edge of a picture is cut off");
    const thumb = width / picture.dataset.columns;
    if (picture.dataset.columns > 1 && thumb < 64) faults.push(`thumbnails of ${thumb.toFixed(1)} px`);
  }
  for (const heights of Object.values(rows)) {
    if (Math.max(...heights) - Math.min(...heights) > 1) faults.push(`pictures of a row are ${heights} px high`);
  }
  for (const { nodes, width } of page.width >= 600 ? rowsOf([...box.querySelectorAll(".ssl-panel, .ssl-readout")]) : []) {
    const used = width / box.querySelector(".ssl-canvas").clientWidth;
    const panel = nodes.find((node) => node.matches(".ssl-panel"));
    if (panel && used < 0.5) faults.push(`a row is empty by ${Math.round(100 * (1 - used))} %: ${name(panel)}`);
  }
  for (const text of box.querySelectorAll(".ssl-drawing text")) {
    const [words, sheet] = [text, text.ownerSVGElement].map((node) => node.getBoundingClientRect());
    const off = Math.max(
      ...["left", "top"].map((side) => sheet[side] - words[side]),
      ...["right", "bottom"].map((side) => words[side] - sheet[side]),
    );
    if (off > 1) faults.push(`${off.toFixed(1)} px beyond its drawing: ${text.textContent.slice(0, 30)}`);
  }
  for (const text of box.querySelectorAll(".ssl-drawing text:not([transform])")) {
    if (text.style.fontSize) continue; // there is no room for larger ones
    const drawing = text.ownerSVGElement;
    const size = (Number.parseFloat(getComputedStyle(text).fontSize) * drawing.clientWidth) / drawing.viewBox.baseVal.width;
    if (size < 7.5) faults.push(`letters of ${size.toFixed(1)} px: ${text.textContent.slice(0, 20)}`);
  }
  return faults;
}"""


def test_every_widget_from_a_phone_to_a_wide_screen(lab: Lab, open_notebook: Opener) -> None:
    cells = ["from examples import example", *(f"example({name!r})" for name in WIDGETS)]
    notebook = open_notebook(lab.write("layout.ipynb", cells))
    notebook.run_all()
    assert notebook.cell_errors() == []
    notebook.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    notebook.command("application:toggle-side-tabbar", side="left")
    notebook.command("application:toggle-side-tabbar", side="right")
    notebook.page.set_viewport_size({"width": 1600, "height": 20_000})  # so high that every cell is there
    there = "(n) => document.querySelectorAll('.ssl-canvas[data-canvas]').length === n"
    notebook.wait(there, "every widget", 30, len(WIDGETS))
    boxes = notebook.page.locator(".ssl-explorer")
    faults = []
    for width in (360, 800, 1280, 1600):
        notebook.page.set_viewport_size({"width": width, "height": 20_000})
        notebook.page.wait_for_timeout(700)  # JupyterLab and the widgets lay themselves out again
        for index, name in enumerate(WIDGETS):
            found = boxes.nth(index).evaluate(FAULTS)
            faults += [f"{name} at {width} px: {fault}" for fault in found]
    faults = [fault for fault in faults if not fault.startswith(tuple(KNOWN))]
    assert not faults, "\n".join(faults)
