// The audio weight of the query: the tuned one, or the slider's.

import { percent } from "./formatting.js";

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

// Show the audio weight of an answer.
export function showBlend(state, answer) {
  get("blend").hidden = answer === null || Boolean(state.file);
  get("exclude").hidden = Boolean(state.track || state.file) || !state.user;
  if (answer !== null) draw(answer.audio_weight, state.weight === null);
}

function draw(weight, isTuned) {
  if (document.activeElement !== slider || isTuned) slider.value = String(weight);
  slider.style.setProperty("--at", weight);
  slider.classList.toggle("at-rest", isTuned);
  slider.setAttribute("aria-valuetext", isTuned ? `tuned, ${percent(weight)}` : percent(weight));
  tuned.setAttribute("aria-pressed", String(isTuned));
  get("weight-value").textContent = percent(weight);
  get("blend-hint").textContent =
    weight === 1
      ? "By audio alone, whoever plays it."
      : `${percent(weight)} for a track that many have played, more for one that few have, 100 % for one that nobody has.`;
}
