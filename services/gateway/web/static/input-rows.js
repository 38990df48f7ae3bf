// Arrays of objects: each object is a row of fields, made of the template of its array.

import { t } from "./text.js";

const NAMING = ["id", "for", "name", "aria-describedby"];
/** Rows that were ever made: their fields need ids that no others have. */
let count = 0;

/** The rows of a field. */
export const rowsOf = (field) => [...field.querySelector("[data-rows]").children];

/** Let a field have so many rows. */
export function setRows(field, wanted) {
  for (const row of rowsOf(field).slice(wanted)) row.remove();
  while (rowsOf(field).length < wanted) field.querySelector("[data-rows]").append(made(field));
  number(field);
}

/** Let people add and remove rows; `changed` hears of it. */
export function turnOnRows(field, changed) {
  const add = field.querySelector("[data-add-row]");
  add.addEventListener("click", () => {
    setRows(field, rowsOf(field).length + 1);
    rowsOf(field).at(-1).querySelector("[data-control]").focus();
    changed();
  });
  field.addEventListener("click", ({ target }) => {
    const row = target.closest("[data-remove-row]")?.closest("[data-field]");
    if (!row) return;
    row.remove();
    number(field);
    add.focus();
    changed();
  });
}

function made(field) {
  const row = field.querySelector("template[data-row]").content.firstElementChild.cloneNode(true);
  const { id } = row.dataset;
  count += 1;
  for (const element of row.querySelectorAll("*")) {
    for (const name of NAMING) {
      const value = element.getAttribute(name);
      if (value) element.setAttribute(name, value.replaceAll(id, `${id}-${count}`));
    }
    if (element.dataset.pointer) element.dataset.tail = element.dataset.pointer.slice(row.dataset.pointer.length);
  }
  return row;
}

/** Say of each row which it is, and of its fields where they are. */
function number(field) {
  for (const [index, row] of rowsOf(field).entries()) {
    row.dataset.pointer = `${field.dataset.pointer}/${index}`;
    row.querySelector("[data-row-number]").textContent = index + 1;
    row.querySelector("[data-remove-row]").setAttribute("aria-label", t("Remove %(name)s", { name: index + 1 }));
    for (const inner of row.querySelectorAll("[data-tail]")) inner.dataset.pointer = row.dataset.pointer + inner.dataset.tail;
  }
}
