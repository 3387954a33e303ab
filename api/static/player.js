// One player for the whole page. Every play button shows whether its own track is playing.

import { audioAddress, audioOf } from "./api.js";
import { token } from "./token.js";
import { clock, nameOf, setIcon } from "./formatting.js";

const get = (name) => document.getElementById(`player${name}`);
const audio = get("-audio");
const toggle = get("-toggle");
const seek = get("-seek");

let current = null;
let fetched = null;
let report = () => {};

export function startPlayer(onProblem) {
  report = onProblem;
  toggle.addEventListener("click", () => (audio.paused ? start() : audio.pause()));
  get("-close").addEventListener("click", close);
  seek.addEventListener("input", () => (audio.currentTime = Number(seek.value)));
  audio.addEventListener("timeupdate", showTime);
  audio.addEventListener("durationchange", showTime);
  for (const change of ["play", "pause", "ended"]) audio.addEventListener(change, showState);
  audio.addEventListener("error", () => current && report(`“${nameOf(current)}” cannot be played here`));
}

// Play a track of the catalogue, or a file of the listener's own; the same one again pauses.
export function play(track, address = audioAddress(track.id)) {
  if (current?.id === track.id) {
    return audio.paused ? start() : audio.pause();
  }
  current = track;
  load(track, address).catch((error) => report(error.message));
  get("").hidden = false;
  document.body.classList.add("playing");
  get("-title").textContent = nameOf(track);
  get("-artist").textContent = track.artist || "";
}

// An audio element sends no token, so where there is one the audio is fetched whole.
async function load(track, address) {
  const source = token() && !address.startsWith("blob:") ? await audioOf(address) : address;
  if (current === track) {
    if (fetched) URL.revokeObjectURL(fetched);
    fetched = source === address ? null : source;
    audio.src = source;
    await start();
  }
}

// Make a button play a track, and show the state of the player on it.
export function bindPlay(button, track, address) {
  button.dataset.plays = track.id;
  button.dataset.name = nameOf(track);
  button.addEventListener("click", () => play(track, address));
  showButton(button);
}

function start() {
  return audio.play().catch((error) => {
    if (error.name === "NotAllowedError") report("Click Play once more: the browser allows sound only after a click");
  });
}

function close() {
  audio.pause();
  current = null;
  audio.removeAttribute("src");
  get("").hidden = true;
  document.body.classList.remove("playing");
  showState();
}

function showTime() {
  const length = Number.isFinite(audio.duration) ? audio.duration : 0;
  seek.max = String(length || 1);
  seek.value = String(audio.currentTime);
  seek.style.setProperty("--done", length ? audio.currentTime / length : 0);
  seek.setAttribute("aria-valuetext", `${clock(audio.currentTime)} of ${clock(length)}`);
  get("-time").textContent = `${clock(audio.currentTime)} / ${clock(length)}`;
}

function showState() {
  setIcon(toggle, audio.paused ? "play" : "pause");
  toggle.setAttribute("aria-label", audio.paused ? "Play" : "Pause");
  document.querySelectorAll("[data-plays]").forEach(showButton);
}

function showButton(button) {
  const isPlaying = current?.id === button.dataset.plays && !audio.paused;
  setIcon(button, isPlaying ? "pause" : "play");
  button.classList.toggle("playing", isPlaying);
  button.setAttribute("aria-label", `${isPlaying ? "Pause" : "Play"} ${button.dataset.name}`);
}
