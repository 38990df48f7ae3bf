// A new user gets a password that nobody knows, and a link to set their own.

import { call, Problem } from "./api.js";
import { showLink } from "./password-link.js";

const form = document.getElementById("new-user");
const random = crypto.getRandomValues(new Uint8Array(32));

form.elements.password.defaultValue = [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
form.addEventListener("done", async ({ detail: user }) => {
  document.getElementById("made-email").textContent = user.email;
  document.getElementById("made-user").href = `/users/${user.id}`;
  try {
    showLink(await call("POST", `/v1/users/${user.id}/password-reset`));
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    document.querySelector("#made .notice").hidden = false;
  }
});
