// The access token, if the server asks for one: kept until this tab is closed, sent with every request.

const KEY = "hybridrec-token";
const form = document.getElementById("sign-in");

export const token = () => sessionStorage.getItem(KEY);

export function withToken(options = {}) {
  if (!token()) return options;
  return { ...options, headers: { ...options.headers, Authorization: `Bearer ${token()}` } };
}

export function startSignIn(onToken) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(KEY, form.elements.token.value.trim());
    form.reset();
    form.hidden = true;
    onToken();
  });
}

export function askForToken() {
  form.hidden = false;
  form.elements.token.focus();
}
