// Formatting of tracks, numbers and dates, and two helpers that build elements.

export const nameOf = (track) => track.title || track.id;

export const byOf = (track) => [track.artist, track.album, track.genre].filter(Boolean).join(" · ");

export const percent = (share) => `${Math.round(share * 100)} %`;

export const signed = (number) => `${number < 0 ? "−" : "+"} ${Math.abs(number).toFixed(2)}`;

export const plain = (number) => number.toFixed(2).replace("-", "−");

export function supportOf(listeners) {
  if (listeners === 0) return "cold";
  return listeners < 5 ? "sparse" : "warm";
}

export const listeners = (count) => (count === 1 ? "1 listener" : `${count} listeners`);

export const plays = (count) => (count === 1 ? "1 play" : `${count} plays`);

export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds || 0));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

const moments = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

export const dateOf = (seconds) => (seconds === null ? "" : moments.format(new Date(seconds * 1000)));

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function setIcon(button, name) {
  const use = button.querySelector("use");
  use.setAttribute("href", use.getAttribute("href").replace(/#.*/, `#${name}`));
}
