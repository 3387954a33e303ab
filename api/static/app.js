// The page: one state, at most one request for it at a time; a newer request cancels the older.

import { addPlay, addTrack, findTracks, findUsers, getTrack, recommendTo, similarTo, similarToFile } from "./api.js";
import { startBlend, showBlend } from "./blend.js";
import { Combobox } from "./combobox.js";
import { hideSuggestions, showSuggestions } from "./suggestions.js";
import { showListener } from "./listener.js";
import { startPlayer } from "./player.js";
import { clearResults, shiftWords, showResults, waiting } from "./results.js";
import { showFileSeed, showStart, showTrackSeed, showUserSeed } from "./seed.js";
import { readState, writeState } from "./state.js";
import { askForToken, startSignIn, token } from "./token.js";
import { startUpload } from "./upload.js";
import { byOf, nameOf, plays } from "./formatting.js";

const FIRST_RESULTS = 10;
const MOST_RESULTS = 100;
const SUPPORT_DEADLINE_MS = 10_000;
const SUPPORT_POLL_MS = 200;
const get = (id) => document.getElementById(id);

let state = readState();
let count = FIRST_RESULTS;
let request = null;
let shifts = new Map();

// --- rendering --------------------------------------------------------------------------------

async function show({ sameSeed = false } = {}) {
  request?.abort();
  request = new AbortController();
  const { signal } = request;
  if (!sameSeed) {
    count = FIRST_RESULTS;
    shifts = new Map();
    say("");
    clearResults();
    get("blend").hidden = get("more").hidden = true;
  }
  get("problem").hidden = true;
  hideSuggestions();
  waiting();
  try {
    if (!sameSeed) await showSeed(signal);
    const answer = await ask(signal);
    if (!signal.aborted) draw(answer);
  } catch (error) {
    if (error.name !== "AbortError") fail(error);
  }
}

async function showSeed(signal) {
  showListener(state.user, { signal, onOpen: openTrack }).catch((error) => error.name !== "AbortError" && fail(error));
  get("add").hidden = !state.file;
  if (state.file) return showFileSeed(state.file);
  if (state.track) return showTrackSeed(await getTrack(state.track, signal));
  if (state.user) return showUserSeed(state.user);
  return showStart();
}

// The answer for the state: results and the audio weight of the query. Null without a seed or user.
async function ask(signal) {
  const options = { n: count, weight: state.weight, excludePlayed: get("exclude-played").checked, signal };
  if (state.file) return similarToFile(state.file, options);
  if (state.track) return similarTo(state.track, options);
  if (!state.user) return null;
  const answer = await recommendTo(state.user, options);
  get("lead").textContent = BASES[answer.basis] ?? "";
  return answer;
}

const BASES = {
  behaviour: "From what they have played, and what those tracks sound like.",
  audio: "From the sound of what they have played; no model has been fitted with their plays yet.",
  popularity: "No plays of this listener are known yet, so these are popular tracks.",
};

function draw(answer) {
  showBlend(state, answer);
  if (answer === null) {
    clearResults();
    showSuggestions({ onTrack: openTrack, onUser: openUser }).catch(fail);
    return;
  }
  const hits = answer.similar ?? answer.recommendations;
  showResults(hits, { user: state.user, shifts, onOpen: openTrack, onPlayed: played });
  get("more").hidden = hits.length < count || count >= MOST_RESULTS;
  if (!hits.length) say("No results. Add more tracks with “hybridrec ingest audio”.");
}

function say(words) {
  get("notice").hidden = !words;
  get("notice").textContent = words;
}

function fail({ message, got, fix, status }) {
  clearResults();
  if (status === 401) {
    askForToken();
    if (!token()) return;
  }
  const words = document.createElement("p");
  words.textContent = got ? `${message}: ${got}` : message;
  const help = document.createElement("p");
  help.textContent = fix ?? "";
  get("problem").replaceChildren(words, help);
  get("problem").hidden = false;
}

// --- actions of the listener ------------------------------------------------------------------

function go(changes, { replace = false, sameSeed = false } = {}) {
  state = { ...state, ...changes };
  writeState(state, { replace });
  return show({ sameSeed });
}

function openTrack(track) {
  get("answer").focus({ preventScroll: true });
  get("answer").scrollIntoView({ block: "start" });
  return go({ track, file: null });
}

const openUser = (user) => go({ user, track: null, file: null });

async function played(hit) {
  const before = state;
  const { user } = before;
  const done = `${user} has played “${nameOf(hit.track)}”.`;
  try {
    await addPlay(user, hit.track.id);
    await show({ sameSeed: true });
    say(done);
    showListener(user, { onOpen: openTrack });
    const after = await supportChanged(hit);
    if (!after || state !== before) return;
    shifts.set(hit.track.id, { effective_audio_weight: hit.effective_audio_weight, support: hit.support });
    await show({ sameSeed: true });
    say(`${done} ${shiftWords(hit, after)}.`);
  } catch (error) {
    fail(error);
  }
}

// The result for a track once its support has changed, which is shortly after a play is stored.
// None if the user had played the track before, or if it is no longer among the results.
async function supportChanged(hit) {
  const deadline = performance.now() + SUPPORT_DEADLINE_MS;
  while (performance.now() < deadline) {
    const after = await findAgain(hit);
    if (after?.support !== hit.support) return after;
    await new Promise((resolve) => setTimeout(resolve, SUPPORT_POLL_MS));
  }
  return undefined;
}

// A track that was just played may leave the results: ask for more of them to find its new weight.
async function findAgain(hit) {
  if (state.file) return undefined;
  const options = { n: MOST_RESULTS, weight: state.weight, excludePlayed: false };
  const { similar, recommendations } = await (state.track ? similarTo(state.track, options) : recommendTo(state.user, options));
  return (similar ?? recommendations).find(({ track }) => track.id === hit.track.id);
}

async function addToCatalogue(event) {
  event.preventDefault();
  const button = event.submitter;
  button.disabled = true;
  try {
    const { track, created } = await addTrack(state.file, Object.fromEntries(new FormData(event.target)));
    await openTrack(track.id);
    say(created ? `“${nameOf(track)}” is in the catalogue and can be recommended now.` : `The catalogue has this audio already, as “${nameOf(track)}”.`);
  } catch (error) {
    fail(error);
  } finally {
    button.disabled = false;
  }
}

// --- start -----------------------------------------------------------------------------------

const describeTrack = (track) => ({ name: nameOf(track), more: byOf(track) });
const describeUser = (user) => ({ name: user.id, more: user.plays === undefined ? "" : plays(user.plays) });

new Combobox(get("track-search"), {
  find: async (words, signal) => (await findTracks(words, 8, signal)).tracks,
  describe: describeTrack,
  choose: (track) => openTrack(track.id),
  fail,
});
new Combobox(get("user-search"), {
  find: async (words, signal) => (await findUsers(words, 8, signal)).users,
  describe: describeUser,
  choose: (user) => openUser(user.id),
  fail,
});
startSignIn(() => show());
startPlayer(say);
startBlend((weight) => go({ weight }, { replace: true, sameSeed: true }));
startUpload({
  limitBytes: Number(document.body.dataset.uploadLimit),
  onFile: (file) => go({ file, track: null }),
  onProblem: fail,
});
get("add").addEventListener("submit", addToCatalogue);
get("exclude-played").addEventListener("change", () => show({ sameSeed: true }));
get("listener-clear").addEventListener("click", () => go({ user: null }));
get("listener-name").addEventListener("click", () => openUser(state.user));
get("more").addEventListener("click", () => {
  count = Math.min(MOST_RESULTS, count * 2);
  show({ sameSeed: true });
});
window.addEventListener("popstate", () => {
  state = readState();
  show();
});
show();
