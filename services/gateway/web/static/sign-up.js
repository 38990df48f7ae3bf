// Who has signed up is signed in at once.

import { call, Problem } from "./api.js";
import { body } from "./fields.js";

const form = document.getElementById("sign-up");

form?.addEventListener("done", async () => {
  try {
    await call("POST", "/v1/session", body(form));
    location.assign(form.dataset.back);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    location.assign("/sign-in");
  }
});
