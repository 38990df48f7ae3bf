// Forms that call the API: `data-method` and `data-path` say what ({name} is the field of that name, which is not sent in
// the body then), `data-then` where to go afterwards ({id} is that of the answer), `data-shows` which element to show instead of the form, or beside it with `data-stays`. Listeners of "done" get
// the answer.

import { call, Problem, told } from "./api.js";
import { body, check, clear, path, show } from "./fields.js";

for (const form of document.querySelectorAll("form[data-path]")) {
  form.noValidate = true; // the browser's own words would be in the browser's language
  addEventListener("pageshow", ({ persisted }) => persisted && (form.ariaBusy = "false"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (form.ariaBusy !== "true" && check(form)) send(form);
  });
}

async function send(form) {
  const notice = form.querySelector(".notice");
  notice.hidden = true;
  form.ariaBusy = "true"; // its buttons are not disabled: they would lose the focus
  try {
    done(form, await call(form.dataset.method, path(form), body(form)));
    if (!form.dataset.then) form.ariaBusy = "false"; // or until the other page is there it could be sent again
  } catch (problem) {
    form.ariaBusy = "false";
    if (!(problem instanceof Problem)) throw problem;
    refused(form, notice, problem);
  }
}

function done(form, answer) {
  clear(form);
  const { then, shows } = form.dataset;
  if (shows) {
    const shown = document.getElementById(shows);
    form.reset();
    form.hidden = !("stays" in form.dataset);
    shown.hidden = false;
    shown.focus();
  }
  form.dispatchEvent(new CustomEvent("done", { detail: answer }));
  if (then) location.assign(then.replace("{id}", encodeURIComponent(answer?.id)));
}

function refused(form, notice, problem) {
  const lost = show(form, problem.errors).map(({ pointer, detail }) => `${pointer} ${detail}`);
  notice.textContent = [told(problem, form), ...lost].join(" ");
  notice.hidden = false;
}
