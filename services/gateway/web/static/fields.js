// The fields of a form: what they hold as the body of a call, and what is wrong with them.

import { jsonFlaw, lineOf } from "./json-lines.js";
import { t, tn } from "./text.js";

const IN_PATH = /\{(\w+)\}/g;

/** The body that a form's fields make: one member for each name. */
export function body(form) {
  const made = {};
  for (const field of form.elements) {
    if (!field.name || field.disabled || "notSent" in field.dataset || isInPath(form, field)) continue;
    const value = read(field);
    if (field.dataset.kind === "many") made[field.name] = [...(made[field.name] ?? []), ...value];
    else if (value !== undefined) made[field.name] = value;
  }
  return Object.keys(made).length ? made : undefined;
}

/** The path that the form calls: `{name}` in it is what the field of that name holds. */
export function path(form) {
  return form.dataset.path.replace(IN_PATH, (_, name) => encodeURIComponent(form.elements[name].value));
}

const isInPath = (form, field) => form.dataset.path.includes(`{${field.name}}`);

function read(field) {
  if (field.dataset.kind === "many") return field.checked ? [field.value] : [];
  if (field.type === "radio") return field.checked ? field.value : undefined;
  if (field.dataset.empty && !field.value.trim()) return field.dataset.empty === "null" ? null : undefined;
  if (field.dataset.kind === "json") return json(field);
  if (field.dataset.kind === "number") return Number(field.value);
  if (field.dataset.kind === "lines") return field.value.split("\n").map((line) => line.trim()).filter(Boolean);
  return field.value;
}

/** An object; one that nobody has changed is not sent, since browsers do not know every number as it was written. */
function json(field) {
  if (field.type === "textarea" && field.value === field.defaultValue) return undefined;
  return field.value.trim() ? JSON.parse(field.value) : {};
}

/** Show what is wrong with the fields as far as the page can tell; whether all are well. */
export function check(form) {
  for (const field of form.elements) {
    if (field.dataset.kind === "json") field.setCustomValidity(field.value.trim() && jsonFlaw(field.value));
  }
  const flawed = [...form.elements].filter((field) => field.willValidate && !field.validity.valid);
  clear(form);
  for (const field of flawed) mark(form, field.name, flaw(field));
  flawed[0]?.focus();
  return flawed.length === 0;
}

/** Show flaws that the API has found, and lead to the first; returns those that belong to no field. */
export function show(form, flaws) {
  const lost = showBeside(form, flaws);
  form.querySelector("[aria-invalid=true]")?.focus();
  return lost;
}

/** Show flaws, each beside the field that its JSON pointer leads to; returns those without one. */
export function showBeside(form, flaws) {
  return flaws.filter((each) => !mark(form, each.pointer.split("/")[1] ?? "", located(form, each)));
}

/** What a flaw says, with its line if it is within a text of JSON. */
function located(form, { pointer, detail }) {
  const [, name, ...rest] = pointer.split("/");
  const text = [...form.elements].find((field) => field.name === name && field.type === "textarea" && field.dataset.kind === "json");
  if (!text || !rest.length) return detail;
  return t("Line %(line)s: %(flaw)s", { line: lineOf(text.value, `/${rest.join("/")}`), flaw: detail });
}

/** Take all flaws away. */
export function clear(form) {
  for (const field of form.elements) field.removeAttribute("aria-invalid");
  for (const note of form.querySelectorAll(".flaw")) note.hidden = true;
}

function mark(form, name, text) {
  const note = name && form.querySelector(`#${CSS.escape(name)}-flaw`);
  if (!note) return false;
  note.textContent = note.hidden ? text : `${note.textContent} ${text}`;
  note.hidden = false;
  for (const field of form.elements) if (field.name === name && !field.disabled) field.setAttribute("aria-invalid", "true");
  for (const details of form.querySelectorAll("details")) if (details.contains(note)) details.open = true;
  return true;
}

/** What is wrong with a field, as far as the browser can tell. */
export function flaw(field) {
  const { validity: wrong } = field;
  if (wrong.customError) return field.validationMessage;
  if (wrong.valueMissing) return t("This is needed.");
  if (wrong.typeMismatch && field.type === "email") return t("This is no e-mail address.");
  if (wrong.tooShort) return tn("At least %(num)s character.", "At least %(num)s characters.", field.minLength);
  if (wrong.badInput) return t("This is no number.");
  if (wrong.rangeUnderflow) return t("At least %(limit)s.", { limit: field.min });
  if (wrong.rangeOverflow) return t("At most %(limit)s.", { limit: field.max });
  if (wrong.stepMismatch && field.step !== "1") return t("Only multiples of %(step)s.", { step: field.step });
  if (wrong.stepMismatch) return t("Whole numbers only.");
  return field.dataset.flawPattern ?? t("This does not fit.");
}
