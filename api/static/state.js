// The state of the page is kept in its address, so that a link shows the same to someone else.

export function readState() {
  const given = new URLSearchParams(location.search);
  const weight = given.get("weight");
  return {
    track: given.get("track"),
    user: given.get("user"),
    weight: weight === null || Number.isNaN(Number(weight)) ? null : Math.min(1, Math.max(0, Number(weight))),
    file: null,
  };
}

export function writeState({ track, user, weight, file }, { replace }) {
  const shown = new URLSearchParams();
  if (track && !file) shown.set("track", track);
  if (user) shown.set("user", user);
  if (weight !== null && !file) shown.set("weight", String(weight));
  const address = shown.size ? `?${shown}` : location.pathname;
  history[replace ? "replaceState" : "pushState"](null, "", address);
}
