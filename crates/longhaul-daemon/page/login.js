// Who is it? A code in the fragment of the link that `longhaul open` made, or a token pasted here.

import { api, ApiError } from "./api.js";
import { fill, find, h } from "./dom.js";
import { note } from "./dialogs.js";
import { t } from "./words.js";

/** Takes the code out of the address at once, so that it is neither kept in the history nor seen over a shoulder. */
export function codeInAddress() {
  const fragment = location.hash.slice(1);
  if (fragment === "") return null;
  history.replaceState(null, "", location.pathname);
  const code = fragment.startsWith("code=") ? fragment.slice(5) : fragment;
  return /^[\w.~-]{4,512}$/.test(code) ? code : null;
}

/** @param {string} code @returns {Promise<string | null>} what was wrong */
export async function loginByCode(code) {
  try {
    await api.login({ code });
    return null;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return error.status === 0 ? error.message : t("code_over");
  }
}

/**
 * Asks for a token. `done` is called when the daemon knows this browser.
 * @param {string | null} problem that led here
 * @param {() => void} done
 */
export function showLogin(problem, done) {
  const place = find("#login");
  const answer = h("div", {});
  const token = h("input", { type: "password", name: "token", required: true, autocomplete: "off", spellcheck: false });
  const submit = h("button", { type: "submit", class: "primary", text: t("log_in") });
  const form = h("form", {}, h("h1", { text: "longhaul" }), h("p", {}, t("login_how")), h("pre", {}, "longhaul open"),
    h("label", {}, t("login_token"), token), answer, submit);
  if (problem) note(answer, problem, true);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    try {
      await api.login({ token: token.value.trim() });
      place.hidden = true;
      fill(place);
      done();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      note(answer, error.status === 401 || error.status === 403 ? t("token_wrong") : error.message, true);
      token.select();
    }
    submit.disabled = false;
  });
  fill(place, form);
  place.hidden = false;
  token.focus();
}
