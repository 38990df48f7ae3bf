// What is wrong with a form for inputs, beside the fields that it is about.

/** The input as JSON. */
export const whole = (root) => root.querySelector("[data-whole] textarea");

/** The field that a pointer leads to, or the object around it. */
export function fieldAt(root, path) {
  const around = [...root.querySelectorAll("[data-field]")].filter(
    ({ dataset: { pointer } }) => path === pointer || path.startsWith(`${pointer}/`),
  );
  return around.sort((a, b) => b.dataset.pointer.length - a.dataset.pointer.length)[0];
}

/** Show what is wrong with a field, beside what is shown already; an empty text takes all of it away. Whether the field has
    a place for it. */
export function mark(field, text) {
  const note = field && [...field.querySelectorAll("[data-flaw]")].find((each) => each.closest("[data-field]") === field);
  if (!note) return false;
  if (text) note.textContent = note.hidden ? text : `${note.textContent} ${text}`;
  note.hidden = !text;
  if (["group", "rows"].includes(field.dataset.field)) return true;
  for (const each of field.querySelectorAll("[data-control], [data-chooser]")) {
    if (text) each.setAttribute("aria-invalid", "true");
    else each.removeAttribute("aria-invalid");
  }
  return true;
}

/** Show what is wrong with the input as JSON. */
export function markWhole(root, text) {
  const note = root.querySelector("[data-whole] .flaw");
  note.textContent = note.hidden ? text : `${note.textContent} ${text}`;
  note.hidden = false;
  whole(root).setAttribute("aria-invalid", "true");
}

/** Take all flaws away. */
export function clear(root) {
  for (const field of root.querySelectorAll("[data-field]")) mark(field, "");
  root.querySelector("[data-whole] .flaw").hidden = true;
  whole(root).removeAttribute("aria-invalid");
}

/** Lead to the first flaw; whether there is none. */
export function focusFlaw(root) {
  const notes = [...root.querySelectorAll("[data-flaw], [data-whole] .flaw")].filter((each) => !each.hidden);
  const flawed = root.querySelector("[aria-invalid=true]");
  flawed?.focus();
  return notes.length === 0;
}
