// The HTTP interface, as the page uses it. Every error is a Problem with words for people.

const root = document.body.dataset.root;

export class Problem extends Error {
  constructor({ detail, got, fix }) {
    super(detail);
    this.got = got;
    this.fix = fix;
  }
}

async function call(path, options = {}) {
  let answer;
  try {
    answer = await fetch(`${root}v1${path}`, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ detail: "The server cannot be reached", fix: "start it with hybridrec serve" });
  }
  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => ({ detail: `The server answered ${answer.status}` }));
  throw new Problem(problem);
}

function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

const id = encodeURIComponent;

export const audioAddress = (track) => `${root}v1/tracks/${id(track)}/audio`;

export const findTracks = (q, limit, signal) => call(`/tracks${query({ q, limit })}`, { signal });

export const findUsers = (q, limit, signal) => call(`/users${query({ q, limit })}`, { signal });

export const getTrack = (track, signal) => call(`/tracks/${id(track)}`, { signal });

export const similarTo = (track, { n, weight, signal }) =>
  call(`/tracks/${id(track)}/similar${query({ n, audio_weight: weight, explain: true })}`, { signal });

export const recommendTo = (user, { n, weight, excludePlayed, signal }) =>
  call(`/users/${id(user)}/recommendations${query({ n, audio_weight: weight, exclude_played: excludePlayed, explain: true })}`, { signal });

export const playsOf = (user, limit, signal) => call(`/users/${id(user)}/plays${query({ limit })}`, { signal });

export function similarToFile(file, { n, signal }) {
  const body = new FormData();
  body.append("audio", file);
  return call(`/similar${query({ n, explain: true })}`, { method: "POST", body, signal });
}

export function addTrack(file, { title, artist }) {
  const body = new FormData();
  body.append("audio", file);
  body.append("title", title);
  body.append("artist", artist);
  return call("/tracks", { method: "POST", body });
}

export function addPlay(user, track) {
  const body = JSON.stringify({ plays: [{ user, track, played_at: Date.now() / 1000 }] });
  return call("/plays", { method: "POST", body, headers: { "Content-Type": "application/json" } });
}
