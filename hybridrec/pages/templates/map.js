"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const SVG = "http://www.w3.org/2000/svg";
  const PATHS = {
    circle: "M-4.5,0a4.5,4.5 0 1,0 9,0a4.5,4.5 0 1,0 -9,0z",
    square: "M-4,-4h8v8h-8z",
    triangle: "M0,-5l5,9h-10z",
  };
  const byId = (id) => document.getElementById(id);
  const [plot, legend, hint, agreement] = ["plot", "legend", "hint", "agreement"].map(byId);
  const layoutChoice = byId("layout");
  const tagChoice = byId("tag");
  const points = data.tracks.map((track, row) => {
    const point = document.createElementNS(SVG, "path");
    point.dataset.row = row;
    plot.append(point);
    return point;
  });
  let hidden = new Set();

  const tag = () => data.tags[tagChoice.value];
  const groupOf = (row) => {
    const value = data.tracks[row][tagChoice.value];
    return Object.hasOwn(tag().marks, value) ? value : null;
  };

  function place() {
    // Layouts are -1 to 1; the plot is 0 to 1000 with a margin of 30, and its y grows downwards.
    data.layouts[layoutChoice.value].forEach(([x, y], row) => {
      const [left, top] = [(x * 470 + 500).toFixed(1), (500 - y * 470).toFixed(1)];
      points[row].setAttribute("transform", `translate(${left},${top})`);
    });
  }

  function paint() {
    points.forEach((point, row) => {
      const group = groupOf(row);
      const mark = group === null ? data.other : tag().marks[group];
      point.setAttribute("d", PATHS[mark.shape]);
      point.setAttribute("fill", mark.colour);
      point.classList.toggle("other", group === null);
      point.classList.toggle("hidden", hidden.has(group));
    });
  }

  function legendEntry(group, mark, name, count) {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", "true");
    const symbol = document.createElementNS(SVG, "svg");
    symbol.setAttribute("viewBox", "-6 -6 12 12");
    const shape = document.createElementNS(SVG, "path");
    shape.setAttribute("d", PATHS[mark.shape]);
    shape.setAttribute("fill", mark.colour);
    symbol.append(shape);
    const text = document.createElement("span");
    text.textContent = name;
    const number = document.createElement("span");
    number.className = "soft";
    number.textContent = count;
    button.append(symbol, text, number);
    button.addEventListener("click", () => {
      if (!hidden.delete(group)) hidden.add(group);
      button.setAttribute("aria-pressed", String(!hidden.has(group)));
      paint();
    });
    return button;
  }

  function changeTag() {
    hidden = new Set();
    const counts = new Map();
    data.tracks.forEach((_, row) => {
      counts.set(groupOf(row), (counts.get(groupOf(row)) ?? 0) + 1);
    });
    legend.replaceChildren(...Object.entries(tag().marks).map(
      ([value, mark]) => legendEntry(value, mark, value, counts.get(value))));
    if (counts.has(null)) {
      legend.append(legendEntry(null, data.other, "others, or none", counts.get(null)));
    }
    agreement.textContent = tag().agreement;
    paint();
  }

  function showHint(event) {
    const row = event.target.dataset?.row;
    hint.hidden = row === undefined;
    if (hint.hidden) return;
    const track = data.tracks[row];
    const details = [track.genre, track.album].filter(Boolean).join(" · ");
    const name = Object.assign(document.createElement("b"), { textContent: track.name });
    hint.replaceChildren(name, document.createElement("br"), details || "no genre or album");
    // To the left of the pointer where the window ends on the right.
    const [right, left] = [event.clientX + 14, event.clientX - 14 - hint.offsetWidth];
    hint.style.left = `${right + hint.offsetWidth > window.innerWidth ? left : right}px`;
    hint.style.top = `${event.clientY + 14}px`;
  }

  plot.addEventListener("pointermove", showHint);
  plot.addEventListener("pointerleave", () => { hint.hidden = true; });
  layoutChoice.addEventListener("change", place);
  tagChoice.addEventListener("change", changeTag);
  place();
  changeTag();
})();
