// The list of results: for each track its audio and behaviour share, as a bar and in numbers.

import { bindPlay } from "./player.js";
import { byOf, listeners, nameOf, percent, plain, signed, supportOf } from "./formatting.js";

const list = document.getElementById("results");
const template = document.getElementById("result-template");

// Draw results, keeping the rows of tracks that stay, so that their bars are animated.
export function showResults(hits, { user, shifts, onOpen, onPlayed }) {
  const known = new Map([...list.children].map((row) => [row.dataset.track, row]));
  const rows = hits.map((hit) => {
    const row = known.get(hit.track.id) ?? newRow(hit.track, onOpen, onPlayed);
    fill(row, hit, user, shifts.get(hit.track.id));
    return row;
  });
  list.replaceChildren(...rows);
  list.removeAttribute("aria-busy");
}

export const waiting = () => list.setAttribute("aria-busy", "true");

export function clearResults() {
  list.replaceChildren();
  list.removeAttribute("aria-busy");
}

function slots(row) {
  return Object.fromEntries([...row.querySelectorAll("[data-slot]")].map((part) => [part.dataset.slot, part]));
}

function newRow(track, onOpen, onPlayed) {
  const row = template.content.firstElementChild.cloneNode(true);
  const slot = slots(row);
  row.dataset.track = track.id;
  slot.title.textContent = nameOf(track);
  slot.title.href = `?track=${encodeURIComponent(track.id)}`;
  slot.title.title = "Show tracks similar to this one";
  slot.title.addEventListener("click", (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    onOpen(track.id);
  });
  slot.by.textContent = byOf(track);
  bindPlay(slot.play, track);
  slot.play.disabled = !track.has_audio;
  slot.played.addEventListener("click", () => onPlayed(row.hit));
  return row;
}

function fill(row, hit, user, shift) {
  const slot = slots(row);
  const behaviour = 1 - hit.effective_audio_weight;
  row.hit = hit;
  row.style.setProperty("--audio-share", hit.effective_audio_weight);
  row.classList.toggle("whole", hit.effective_audio_weight === 0 || hit.effective_audio_weight === 1);
  slot.share.setAttribute("aria-label", `Score ${plain(hit.score)}: effective audio weight ${percent(hit.effective_audio_weight)}, behaviour ${percent(behaviour)}`);
  slot["audio-share"].textContent = `Audio ${percent(hit.effective_audio_weight)}`;
  slot["behaviour-share"].textContent = `${percent(behaviour)} Behaviour`;
  slot.score.textContent = plain(hit.score);
  slot["audio-part"].textContent = plain(hit.audio_part);
  slot["behaviour-part"].textContent = signed(hit.behaviour_part);
  slot.why.textContent = hit.explanation ?? "";
  slot.support.textContent = supportOf(hit.support);
  slot.support.className = `badge ${supportOf(hit.support)}`;
  slot.support.title = `Support: ${listeners(hit.support)}`;
  slot.support.append(Object.assign(document.createElement("b"), { textContent: hit.support }));
  slot.played.hidden = !user;
  slot.played.setAttribute("aria-label", `${user} has played ${nameOf(hit.track)}`);
  slot.shift.hidden = !shift;
  slot.shift.textContent = shift ? shiftWords(shift, hit) : "";
}

// How one more play changed a result, as text.
export function shiftWords(before, after) {
  return `Effective audio weight ${percent(before.effective_audio_weight)} → ${percent(after.effective_audio_weight)}, support ${before.support} → ${after.support}`;
}
