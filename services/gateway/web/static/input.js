// Forms for inputs of a space (templates/input.html): what they hold as a value, and what is wrong with it. How a page uses
// them is said in services/gateway/web/input_form.py.

import { pendingFiles, showFiles, turnOnFiles } from "./input-files.js";
import { clear, fieldAt, focusFlaw, mark, markWhole, whole } from "./input-flaws.js";
import { covers, kinds, Unfit } from "./input-kinds.js";
import { rowsOf, setRows, turnOnRows } from "./input-rows.js";
import { t } from "./text.js";

const PREFIX = "/input";
/** Kinds of which an empty array is most likely an oversight. */
const MUST_HAVE_SOME = new Set(["file", "rows"]);
/** An array of more objects is shown as JSON. */
const MOST_ROWS = 100;

/** The input; undefined while there is none: something is no JSON or no number, or a file is on its way. */
export function inputOf(root) {
  try {
    return isJson(root) ? parsed(whole(root).value) : membersOf(fieldsOf(root));
  } catch (error) {
    if (error instanceof Unfit) return undefined;
    throw error;
  }
}

/** Show an input: in the fields if they can show all of it, else as JSON. */
export function fill(root, value) {
  clear(root);
  whole(root).value = JSON.stringify(value, null, 2);
  if (hasFields(root)) turnTo(root, showsAll(root, value) ? "fields" : "json");
  changed(root);
}

/** Show what is wrong as far as the page can tell; whether all is well. */
export function check(root) {
  clear(root);
  if (isJson(root)) {
    if (inputOf(root) === undefined) markWhole(root, t("This is no JSON object."));
  } else {
    for (const field of leaves(root)) mark(field, flaw(field));
  }
  return focusFlaw(root);
}

/** Show the flaws of a problem beside their fields; returns those that have none. */
export function showFlaws(root, problem) {
  clear(root);
  const own = problem.errors.filter(({ pointer }) => pointer === PREFIX || pointer.startsWith(`${PREFIX}/`));
  const lost = problem.errors.filter((each) => !own.includes(each));
  for (const { pointer, detail } of own) {
    const path = pointer.slice(PREFIX.length);
    if (isJson(root)) markWhole(root, path ? `${path}: ${detail}` : detail);
    else if (!mark(fieldAt(root, path), detail)) lost.push({ pointer, detail });
  }
  focusFlaw(root);
  return lost;
}

/** How many files are on their way, or were cut off. */
export const pending = pendingFiles;

/** Let a form for inputs do what it does, with the input that it begins with. */
export function turnOn(root) {
  const heard = () => changed(root);
  turnOnFiles(root, mark, heard);
  for (const field of root.querySelectorAll("[data-field=rows]")) turnOnRows(field, heard);
  root.addEventListener("input", heard);
  root.addEventListener("change", heard);
  for (const button of modes(root)) button.addEventListener("click", () => switchTo(root, button.dataset.mode));
  fill(root, JSON.parse(root.dataset.start));
}

const fieldsOf = (root) => root.querySelector("[data-fields]");
const hasFields = (root) => modes(root).length > 0;
const isJson = (root) => fieldsOf(root).hidden;
const modes = (root) => [...root.querySelectorAll("[data-mode]")];
/** Fields that can be wrong by themselves. */
const leaves = (root) => [...root.querySelectorAll("[data-field]:not([data-field=group])")];
const changed = (root) => root.dispatchEvent(new CustomEvent("inputchange", { bubbles: true }));

/** The fields that stand in an object, but not in an object within it. */
function own(container) {
  const fields = [...container.querySelectorAll("[data-field]")];
  return fields.filter((field) => field.parentElement.closest("[data-field], [data-fields]") === container);
}

function membersOf(container) {
  const members = own(container).map((field) => [field.dataset.name, read(field)]);
  return Object.fromEntries(members.filter(([, value]) => value !== undefined));
}

function read(field) {
  if (field.dataset.field === "rows") {
    const rows = rowsOf(field).map(membersOf);
    return rows.length || "required" in field.dataset ? rows : undefined;
  }
  if (field.dataset.field !== "group") return kinds[field.dataset.field].read(field);
  const value = membersOf(field);
  return isTouched(field) || "required" in field.dataset ? value : undefined;
}

/** Whether somebody has filled in something of a field: what it says by itself does not make an object that may be left out. */
function isTouched(field) {
  if (field.dataset.field === "group") return own(field).some(isTouched);
  if (field.dataset.field === "const") return false;
  const value = read(field);
  if (Array.isArray(value)) return value.length > 0;
  return field.dataset.field === "check" ? value === true || field.dataset.default === "true" : (value ?? null) !== null;
}

function showsAll(root, value) {
  show(root, fieldsOf(root), value);
  try {
    return covers(membersOf(fieldsOf(root)), value);
  } catch (error) {
    if (error instanceof Unfit) return false;
    throw error;
  }
}

function show(root, container, value) {
  for (const field of own(container)) {
    const { field: kind, name } = field.dataset;
    const member = value && typeof value === "object" && Object.hasOwn(value, name) ? value[name] : undefined;
    if (kind === "group") show(root, field, member);
    else if (kind === "rows") showRows(root, field, Array.isArray(member) ? member : []);
    else if (kind === "file") showFiles(root, field, [member].flat().filter((each) => typeof each === "string"));
    else kinds[kind].show(field, member);
  }
}

function showRows(root, field, values) {
  setRows(field, values.length > MOST_ROWS ? 0 : values.length);
  for (const [index, row] of rowsOf(field).entries()) show(root, row, values[index]);
}

function switchTo(root, mode) {
  if (isJson(root) === (mode === "json")) return;
  const value = inputOf(root);
  if (mode === "json") {
    if (value === undefined) return void check(root);
    whole(root).value = JSON.stringify(value, null, 2);
  } else if (value === undefined) {
    return void check(root);
  } else if (!showsAll(root, value)) {
    return said(root, t("The fields cannot show all of this input."));
  }
  clear(root);
  turnTo(root, mode);
  changed(root);
}

function turnTo(root, mode) {
  said(root, "");
  fieldsOf(root).hidden = mode === "json";
  root.querySelector("[data-whole]").hidden = mode !== "json";
  for (const button of modes(root)) button.ariaPressed = String(button.dataset.mode === mode);
}

function said(root, text) {
  root.querySelector("[data-mode-said]").textContent = text;
}

function parsed(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Unfit();
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Unfit();
  return value;
}

function flaw(field) {
  const found = field.dataset.field === "rows" ? "" : kinds[field.dataset.field].flaw(field);
  if (found || !("asked" in field.dataset)) return found;
  const value = read(field);
  const isMissing = value === undefined || (MUST_HAVE_SOME.has(field.dataset.field) && value.length === 0);
  return isMissing ? t("This is needed.") : "";
}

for (const root of document.querySelectorAll("[data-input]")) turnOn(root);
