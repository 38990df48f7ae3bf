// Calls of the HTTP API, as whoever is signed in.

import { known, t, tn } from "./text.js";

/** What the page says on `window` before it leads to sign in, so that what was typed can be kept. */
export const LEAVES = "signinagain";
const written = (name) => document.querySelector(`meta[name=${name}]`)?.content;
/** The CSRF token of who is signed in. */
export let token = written("csrf-token");
/** The id of who is signed in. */
export const user = written("user");

/** What is wrong (RFC 9457); `unreachable` is the code when no gateway has answered. */
export class Problem extends Error {
  constructor({ code, title = "", detail = "", errors = [] }, againS = 0) {
    super(detail);
    Object.assign(this, { code, title, detail, errors, againS });
  }
}

/** The answer's object, or null when it has none; `more` are further headers. Throws Problem. Whose session has ended is led to sign in, and back;
    whoever has signed in again elsewhere meanwhile goes on, and sees the page anew when it was somebody else's. */
export async function call(method, path, body, more = {}) {
  const headers = { Accept: "application/json", ...more };
  const sent = token;
  if (sent) headers["X-CSRF-Token"] = sent;
  if (body) headers["Content-Type"] = "application/json";
  const answer = await fetched(path, { method, headers, body: body && JSON.stringify(body) });
  const object = await parsed(answer);
  if (answer.ok) return object;
  if (answer.status === 401 && token) return signInAgain();
  if (answer.status === 403 && sent && method !== "GET" && (await renewed(sent))) return call(method, path, body, more);
  throw new Problem(object ?? { code: "unavailable" }, Number(answer.headers.get("Retry-After") ?? 0));
}

/** Whether a token was that of another session than the browser has by now; then the page's is that one's. */
async function renewed(sent) {
  const session = await seen("/v1/session");
  if (!session || session.csrf_token === sent) return false;
  if (session.user.id !== user) {
    location.reload();
    return new Promise(() => {});
  }
  token = session.csrf_token;
  return true;
}

/** What there is at a path; null when that cannot be told now: whoever asks will ask again. */
export async function seen(path) {
  try {
    return await call("GET", path);
  } catch (problem) {
    if (problem instanceof Problem) return null;
    throw problem;
  }
}

/** What a problem means to people, in the page's language; a form may know better what a code means in its place. */
export function told(problem, form) {
  const own = form?.getAttribute(`data-on-${problem.code.replaceAll("_", "-")}`);
  if (own) return own;
  switch (problem.code) {
    case "unreachable":
      return t("The gateway cannot be reached. Look at your connection, and try again.");
    case "unavailable":
      return t("A service that is needed does not answer. Try again in a moment.");
    case "locked_out": {
      const minutes = Math.ceil(problem.againS / 60);
      return tn("Too many wrong passwords. Try again in %(num)s minute.", "Too many wrong passwords. Try again in %(num)s minutes.", minutes);
    }
    case "quota_exceeded":
      if (!problem.againS) return named(problem); // what is used up are no calls
      return tn("Too many calls. Try again in %(num)s second.", "Too many calls. Try again in %(num)s seconds.", problem.againS);
    case "input_invalid":
      return t("Something does not fit; see the fields.");
    default:
      return named(problem);
  }
}

const named = ({ title, detail }) => (known(title) ? `${t(title)}: ${detail}` : detail);

async function fetched(path, options) {
  try {
    return await fetch(path, options);
  } catch {
    throw new Problem({ code: "unreachable" });
  }
}

async function parsed(answer) {
  try {
    return await answer.json();
  } catch {
    return null;
  }
}

/** Lead to the page for signing in, and back; never comes to an end. */
export function signInAgain() {
  dispatchEvent(new Event(LEAVES));
  const back = location.pathname + location.search;
  location.assign(`/sign-in?${new URLSearchParams({ next: back })}`);
  return new Promise(() => {});
}
