// The HTTP calls of the page. Every error is a Problem, whose message can be shown.

import { withToken } from "./token.js";

const root = document.body.dataset.root;

export class Problem extends Error {
  constructor({ detail, got, fix, status }) {
    super(detail);
    this.status = status;
    this.got = got;
    this.fix = fix;
  }
}

async function send(address, options) {
  let answer;
  try {
    answer = await fetch(address, withToken(options));
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ detail: "The server cannot be reached", fix: "start it with hybridrec serve" });
  }
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({ detail: `The server answered ${answer.status}` }));
  throw new Problem({ status: answer.status, ...problem });
}

const call = async (path, options) => (await send(`${root}v1${path}`, options)).json();

function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

const id = encodeURIComponent;

export const audioOf = async (address) => URL.createObjectURL(await (await send(address)).blob());

export const audioAddress = (track) => `${root}v1/tracks/${id(track)}/audio`;

export const findTracks = (q, limit, signal) => call(`/tracks${query({ q, limit })}`, { signal });

// A caller who may not list the users may still enter the id of one.
export const findUsers = (q, limit, signal) =>
  call(`/users${query({ q, limit })}`, { signal }).catch((problem) => {
    if (problem.status !== 403) throw problem;
    return { users: q ? [{ id: q }] : [] };
  });

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
