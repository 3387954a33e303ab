// The audio weight: tuned for each track, or one weight for all that the listener slides.

import { percent } from "./words.js";

const PAUSE_MS = 60;
const get = (id) => document.getElementById(id);
const slider = get("weight");
const tuned = get("tuned");

export function startBlend(onWeight) {
  let timer;
  slider.addEventListener("input", () => {
    draw(Number(slider.value), false);
    clearTimeout(timer);
    timer = setTimeout(() => onWeight(Number(slider.value)), PAUSE_MS);
  });
  tuned.addEventListener("click", () => {
    clearTimeout(timer);
    const off = tuned.getAttribute("aria-pressed") === "true";
    onWeight(off ? Number(slider.value) : null);
  });
}

// Show the weight in use: while tuned, the slider stands at the mean of the results.
export function showBlend({ state, hits }) {
  get("blend").hidden = hits === null || Boolean(state.file);
  get("exclude").hidden = Boolean(state.track || state.file) || !state.user;
  if (hits === null || state.file) return;
  const mean = hits.length ? hits.reduce((sum, hit) => sum + hit.audio_weight, 0) / hits.length : 0.5;
  draw(state.weight ?? mean, state.weight === null);
}

function draw(weight, isTuned) {
  if (document.activeElement !== slider || isTuned) slider.value = String(weight);
  slider.style.setProperty("--at", weight);
  slider.classList.toggle("at-rest", isTuned);
  slider.setAttribute("aria-valuetext", isTuned ? `tuned, ${percent(weight)} on average` : percent(weight));
  tuned.setAttribute("aria-pressed", String(isTuned));
  get("weight-value").textContent = isTuned ? `${percent(weight)} on average` : percent(weight);
  get("blend-hint").textContent = isTuned
    ? "Each track by its own evidence: the fewer have played it, the more its sound counts. Slide to choose for yourself."
    : "The same for every track. “Tuned” goes back to each track’s own weight.";
}
