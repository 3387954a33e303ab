// The chosen user: the id, and the tracks last played.

import { playsOf } from "./api.js";
import { bindPlay } from "./player.js";
import { dateOf, element, nameOf } from "./formatting.js";

const SHOWN = 12;
const chosen = document.getElementById("listener");
const history = document.getElementById("history");
const list = document.getElementById("history-list");
const playButton = document.querySelector("#result-template").content.querySelector("[data-slot=play]");

export async function showListener(user, { signal, onOpen }) {
  const name = document.getElementById("listener-name");
  chosen.hidden = !user;
  if (user !== name.textContent) history.hidden = true; // until the plays of the new user have arrived
  name.textContent = user ?? "";
  if (!user) return;
  const { plays } = await playsOf(user, SHOWN, signal);
  document.getElementById("history-title").textContent = plays.length ? `Played by ${user}` : `${user} has played nothing yet`;
  list.replaceChildren(...plays.map((play) => row(play, onOpen)));
  history.hidden = false;
}

function row({ track, played_at: playedAt, weight }, onOpen) {
  const button = playButton.cloneNode(true);
  button.removeAttribute("data-slot");
  button.classList.add("small");
  button.disabled = !track.has_audio;
  bindPlay(button, track);
  const name = element("button", { type: "button", class: "link", title: "Show similar tracks" }, nameOf(track));
  name.addEventListener("click", () => onOpen(track.id));
  const when = weight < 0 ? "skipped" : dateOf(playedAt);
  return element("li", {}, button, element("div", {}, name, element("span", {}, [track.artist, when].filter(Boolean).join(" · "))));
}
