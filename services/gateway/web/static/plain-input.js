// The input of a space as JSON.

import { t } from "./text.js";

const area = (root) => root.querySelector("textarea");

/** The input, undefined while it is no object in JSON. */
export function inputOf(root) {
  try {
    const value = JSON.parse(area(root).value);
    return value !== null && typeof value === "object" && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Show what is wrong; whether all is well. */
export function check(root) {
  const well = inputOf(root) !== undefined;
  mark(root, well ? "" : t("This is no object in JSON."));
  if (!well) area(root).focus();
  return well;
}

/** Show an input. */
export function fill(root, value) {
  area(root).value = JSON.stringify(value, null, 2);
  mark(root, "");
  changed(root);
}

/** How many files are on their way. */
export const pending = () => 0;

/** Show the flaws that the API has found. */
export function showFlaws(root, problem) {
  const own = problem.errors.filter(({ pointer }) => pointer.startsWith("/input"));
  mark(root, own.map(({ pointer, detail }) => `${pointer.slice(6)} ${detail}`.trim()).join(" "));
  if (own.length) area(root).focus();
  return problem.errors.filter((each) => !own.includes(each));
}

for (const root of document.querySelectorAll("[data-input]")) area(root).addEventListener("input", () => changed(root));

const changed = (root) => root.dispatchEvent(new CustomEvent("inputchange", { bubbles: true }));

function mark(root, text) {
  const flaw = root.querySelector(".flaw");
  flaw.textContent = text;
  flaw.hidden = !text;
  area(root).ariaInvalid = String(Boolean(text));
}
