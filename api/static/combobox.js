// A search box with instant results: the ARIA combobox pattern, usable with keys, pointer and screen reader.

import { element } from "./formatting.js";

const PAUSE_MS = 90;

export class Combobox {
  constructor(input, { find, describe, choose, fail }) {
    this.input = input;
    this.list = document.getElementById(input.getAttribute("aria-controls"));
    this.find = find;
    this.describe = describe;
    this.choose = choose;
    this.fail = fail;
    this.found = [];
    this.active = -1;
    input.addEventListener("input", () => this.searchSoon());
    input.addEventListener("focus", () => this.searchSoon());
    input.addEventListener("blur", () => this.close());
    input.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("mousedown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => this.take(event.target.closest("li")?.dataset.place));
  }

  searchSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.search(), PAUSE_MS);
  }

  async search() {
    this.request?.abort();
    this.request = new AbortController();
    try {
      this.show(await this.find(this.input.value.trim(), this.request.signal));
    } catch (error) {
      if (error.name !== "AbortError") this.fail(error);
    }
  }

  show(found) {
    if (document.activeElement !== this.input) return;
    this.found = found;
    this.list.replaceChildren(...found.map((one, place) => this.option(one, place)));
    if (!found.length) this.list.append(element("li", { class: "none", role: "option", "aria-disabled": "true" }, "Nothing matches"));
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.mark(-1);
  }

  option(one, place) {
    const { name, more } = this.describe(one);
    const attributes = { role: "option", id: `${this.list.id}-${place}`, "data-place": place, "aria-selected": "false" };
    return element("li", attributes, element("b", {}, name), element("span", {}, more));
  }

  mark(place) {
    this.active = place;
    [...this.list.children].forEach((option, at) => option.setAttribute("aria-selected", String(at === place)));
    if (place < 0) {
      this.input.removeAttribute("aria-activedescendant");
    } else {
      this.input.setAttribute("aria-activedescendant", `${this.list.id}-${place}`);
      this.list.children[place].scrollIntoView({ block: "nearest" });
    }
  }

  key(event) {
    const open = !this.list.hidden && this.found.length > 0;
    if (event.key === "ArrowDown" && !open) this.searchSoon();
    else if (event.key === "ArrowDown") this.mark((this.active + 1) % this.found.length);
    else if (event.key === "ArrowUp" && open) this.mark((this.active <= 0 ? this.found.length : this.active) - 1);
    else if (event.key === "Enter" && open) this.take(Math.max(this.active, 0));
    else if (event.key === "Escape") this.close();
    else return;
    if (event.key !== "Escape") event.preventDefault();
  }

  take(place) {
    const one = this.found[Number(place)];
    if (place === undefined || !one) return;
    this.input.value = "";
    this.close();
    this.input.blur();
    this.choose(one);
  }

  close() {
    clearTimeout(this.timer);
    this.request?.abort();
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }
}
