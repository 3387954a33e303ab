// The head of the results: the seed song, the user or the file they are for.

import { bindPlay } from "./player.js";
import { byOf, element, listeners, nameOf } from "./formatting.js";

const get = (id) => document.getElementById(id);
const start = { eyebrow: get("eyebrow").textContent, title: get("answer-title").textContent, lead: [...get("lead").childNodes] };
const playButton = document.querySelector("#result-template").content.querySelector("[data-slot=play]");

function head(eyebrow, title, lead, button = null) {
  get("eyebrow").textContent = eyebrow;
  get("answer-title").textContent = title;
  get("lead").replaceChildren(...lead);
  get("seed").querySelector(".play")?.remove();
  if (button) get("seed").prepend(button);
  document.title = title === start.title ? "hybridrec" : `${title} · hybridrec`;
}

function bigPlay(track, address) {
  const button = playButton.cloneNode(true);
  button.removeAttribute("data-slot");
  button.classList.add("big");
  bindPlay(button, track, address);
  return button;
}

export const showStart = () => head(start.eyebrow, start.title, start.lead);

export const showUserSeed = (user) => head("Recommended to", user, []);

export function showTrackSeed(track) {
  const support = track.support === 0 ? "Nobody has played it yet" : `${listeners(track.support)} played it`;
  const lead = [byOf(track), support].filter(Boolean).join(" · ");
  head("Similar to", nameOf(track), [lead], track.has_audio ? bigPlay(track) : null);
}

export function showFileSeed(file) {
  const name = file.name.replace(/\.[^.]+$/, "");
  get("add").elements.title.value = name;
  get("add").elements.artist.value = "";
  const note = element("span", {}, "Your file, compared by audio alone: nobody has played it yet.");
  head("Similar to", name, [note], bigPlay({ id: `file:${file.name}`, title: name, artist: "Your file" }, URL.createObjectURL(file)));
}
