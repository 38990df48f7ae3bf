// Draining and disconnecting: a dialog asks, and what was done is said.

/** Ask before an agent is drained or disconnected; `done` is called with what was done and the agent's id. */
export function asking(done) {
  for (const dialog of document.querySelectorAll("dialog")) {
    const form = dialog.querySelector("form");
    form.addEventListener("done", () => {
      dialog.close();
      done(dialog.id, `${form.elements.owner.value}/${form.elements.name.value}`);
    });
  }
}

/** Ask about an agent; `deed` is the id of a dialog. */
export function ask(deed, id) {
  const dialog = document.getElementById(deed);
  const [owner, name] = id.split("/");
  Object.assign(dialog.querySelector("[name=owner]"), { value: owner });
  Object.assign(dialog.querySelector("[name=name]"), { value: name });
  dialog.querySelector("[data-named]").textContent = name;
  dialog.querySelector(".notice").hidden = true;
  dialog.showModal();
}
