// Pages whose parts turn on the server, which are asked for again.

import { signInAgain } from "./api.js";
import { showInstants } from "./text.js";

/** What the server makes of a page now, as a document; null when nobody can tell. Whose session has ended is led to sign in, and back. */
export async function served(address) {
  const html = await read(address);
  if (html === null) return null;
  const made = new DOMParser().parseFromString(html, "text/html");
  showInstants(made);
  return made;
}

async function read(address) {
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" } });
    if (answer.redirected) return signInAgain();
    return answer.ok ? await answer.text() : null;
  } catch {
    return null;
  }
}
