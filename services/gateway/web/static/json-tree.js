// A JSON value as a tree that opens level by level, so that a large one costs nothing until it is looked into.

import { made } from "./elements.js";
import { tn, t } from "./text.js";

const LEVEL = 100;
const LONGEST = 2000;
const OPEN_UP_TO = 12;

/** An element that shows the value; `leaf` may make the element of a text in its own way, or return null. */
export function tree(value, leaf = () => null) {
  const root = made("div", "tree");
  root.translate = false;
  root.append(node(null, value, leaf, 0));
  return root;
}

function node(name, value, leaf, depth) {
  if (value === null || typeof value !== "object") return line(name, value, leaf);
  const entries = Array.isArray(value) ? value.map((each, number) => [number, each]) : Object.entries(value);
  if (!entries.length) return simple(name, Array.isArray(value) ? "[]" : "{}", "none");
  const details = made("details", "branch");
  const summary = made("summary");
  summary.append(...label(name), counted(value, entries.length));
  details.append(summary);
  const fill = () => {
    if (details.childElementCount === 1) more(details, entries, 0, leaf, depth);
  };
  details.addEventListener("toggle", fill);
  if (depth === 0 || (depth === 1 && entries.length <= OPEN_UP_TO)) {
    fill();
    details.open = true;
  }
  return details;
}

function more(details, entries, from, leaf, depth) {
  details.append(...entries.slice(from, from + LEVEL).map(([name, value]) => node(name, value, leaf, depth + 1)));
  const left = entries.length - from - LEVEL;
  if (left <= 0) return;
  const button = made("button", "button small", tn("Show %(num)s more", "Show %(num)s more", Math.min(left, LEVEL)));
  button.type = "button";
  button.addEventListener("click", () => {
    button.remove();
    more(details, entries, from + LEVEL, leaf, depth);
  });
  details.append(button);
}

function line(name, value, leaf) {
  if (typeof value !== "string") return simple(name, String(value), value === null ? "none" : typeof value);
  const own = leaf(value);
  if (!own) return simple(name, shortened(value), "string");
  const shown = made("div", "leaf");
  shown.append(...label(name), own);
  return shown;
}

function simple(name, text, kind) {
  const shown = made("div", "leaf");
  shown.append(...label(name), made("span", `value-${kind}`, text));
  return shown;
}

const shortened = (text) => {
  const quoted = JSON.stringify(text.slice(0, LONGEST));
  return text.length > LONGEST ? `${quoted} ${t("… of %(num)s characters", { num: text.length })}` : quoted;
};

const label = (name) => (name === null ? [] : [made("span", "name", String(name)), ": "]);

const counted = (value, number) =>
  made("span", "counted", Array.isArray(value) ? tn("[ %(num)s entry ]", "[ %(num)s entries ]", number) : tn("{ %(num)s field }", "{ %(num)s fields }", number));
