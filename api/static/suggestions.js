// The start page: some tracks and listeners of this library to start from.

import { findTracks, findUsers } from "./api.js";
import { element, nameOf, plays } from "./formatting.js";

const place = document.getElementById("suggestions");

export const hideSuggestions = () => (place.hidden = true);

export async function showSuggestions({ onTrack, onUser }) {
  const [{ tracks }, { users }] = await Promise.all([findTracks("", 60), findUsers("", 12)]);
  const shown = spread(tracks, 9);
  place.replaceChildren();
  if (shown.length) place.append(group("Songs to start from", shown.map((track) => card(track, onTrack))));
  if (users.length) place.append(group("Listeners", users.map((user) => chip(user, onUser))));
  place.hidden = false;
}

const spread = (all, count) => all.filter((_, at) => at % Math.max(1, Math.floor(all.length / count)) === 0).slice(0, count);

function group(title, items) {
  return element("section", {}, element("h2", {}, title), element("ul", {}, ...items.map((item) => element("li", {}, item))));
}

function card(track, onTrack) {
  const button = element("button", { type: "button", class: "card" }, element("b", {}, nameOf(track)), element("span", {}, track.artist || track.album));
  button.addEventListener("click", () => onTrack(track.id));
  return button;
}

function chip(user, onUser) {
  const button = element("button", { type: "button", class: "chip" }, user.id, element("span", {}, plays(user.plays)));
  button.addEventListener("click", () => onUser(user.id));
  return button;
}
