// The kinds of fields of a form for inputs: how each reads its value (undefined: there is none), shows one, and what is wrong
// with it.

import { flaw } from "./fields.js";
import { filesOf } from "./input-files.js";
import { t, tn } from "./text.js";

const BETWEEN_NUMBERS = /[\s,;]+/;
const BETWEEN_TEXTS = /\n/;

/** A field holds what is no value. */
export class Unfit extends Error {}

const control = (field) => field.querySelector("[data-control]");
const controls = (field) => [...field.querySelectorAll("[data-control]")];
/** What an empty field stands for. */
const nothing = (field) => ("required" in field.dataset && "nullable" in field.dataset ? null : undefined);
const noItems = (field) => ("required" in field.dataset ? [] : undefined);
const json = (value) => (value === undefined ? "" : JSON.stringify(value));

const text = {
  read: (field) => control(field).value || nothing(field),
  show: (field, value) => (control(field).value = typeof value === "string" ? value : ""),
  flaw(field) {
    const { value } = control(field);
    const length = [...value].length; // as JSON Schema counts, not as browsers do
    const { shortest, longest = Infinity } = field.dataset;
    if (value && length < shortest) return tn("At least %(num)s character.", "At least %(num)s characters.", Number(shortest));
    if (length > longest) return tn("At most %(num)s character.", "At most %(num)s characters.", Number(longest));
    return flawOf(control(field));
  },
};

const number = {
  read: (field) => (control(field).value === "" ? nothing(field) : Number(control(field).value)),
  show: (field, value) => (control(field).value = typeof value === "number" ? value : ""),
  flaw(field) {
    const value = Number(control(field).value);
    const isInexact = Number.isInteger(value) && !Number.isSafeInteger(value);
    return isInexact ? t("Browsers do not know so large a number exactly.") : flawOf(control(field));
  },
};

const check = {
  read(field) {
    const { checked } = control(field);
    return checked || "required" in field.dataset || "default" in field.dataset ? checked : undefined;
  },
  show: (field, value) => (control(field).checked = value === true),
  flaw: () => "",
};

const choice = {
  read(field) {
    const chosen = controls(field).find((each) => each.matches("select") || each.checked);
    return chosen?.value ? JSON.parse(chosen.value) : nothing(field);
  },
  show(field, value) {
    for (const each of controls(field)) {
      if (each.matches("select")) each.value = valueOf([...each.options], value);
      else each.checked = same(JSON.parse(each.value), value);
    }
  },
  flaw: () => "",
};

const many = {
  read(field) {
    const chosen = controls(field).filter((each) => each.checked);
    return chosen.length ? chosen.map((each) => JSON.parse(each.value)) : noItems(field);
  },
  show(field, value) {
    const wanted = Array.isArray(value) ? value : [];
    for (const each of controls(field)) each.checked = wanted.some((one) => same(one, JSON.parse(each.value)));
  },
  flaw: () => "",
};

const constant = { read: (field) => JSON.parse(field.dataset.value), show: () => {}, flaw: () => "" };

const list = {
  read(field) {
    const { value } = control(field);
    const isNumbers = "numbers" in field.dataset;
    const found = value.split(isNumbers ? BETWEEN_NUMBERS : BETWEEN_TEXTS).map((each) => each.trim()).filter(Boolean);
    const made = isNumbers ? found.map(Number) : found;
    if (isNumbers && made.some((each) => !Number.isFinite(each))) throw new Unfit();
    return made.length ? made : noItems(field);
  },
  show(field, value) {
    const values = Array.isArray(value) ? value : [];
    control(field).value = values.join("numbers" in field.dataset ? " " : "\n");
  },
  flaw: (field) => (fails(field) ? t("These are not all numbers.") : ""),
};

const file = {
  read(field) {
    const values = filesOf(field);
    if (values === undefined) throw new Unfit();
    if ("many" in field.dataset) return values.length ? values : noItems(field);
    return values[0] ?? nothing(field);
  },
  flaw: (field) => (fails(field) ? t("A file is still on its way.") : ""),
};

const anything = {
  read(field) {
    const { value } = control(field);
    try {
      return value.trim() ? JSON.parse(value) : nothing(field);
    } catch {
      throw new Unfit();
    }
  },
  show: (field, value) => (control(field).value = value === undefined ? "" : JSON.stringify(value, null, 2)),
  flaw: (field) => (fails(field) ? t("This is no JSON.") : ""),
};

export const kinds = { text, number, check, choice, many, const: constant, list, file, json: anything };

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** Whether two values of JSON are the same. */
const same = (one, other) => json(sorted(one)) === json(sorted(other));

/** Whether a value has all that another has: null, which a field may leave out, does not count. */
export function covers(whole, value) {
  if (!isObject(value)) return same(whole, value);
  const members = Object.entries(value).filter(([, each]) => each !== null);
  if (!isObject(whole)) return members.length === 0 && whole === undefined;
  return members.every(([name, each]) => Object.hasOwn(whole, name) && covers(whole[name], each));
}

/** The value with the members of all objects in order. */
function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([name, each]) => [name, sorted(each)]));
}

const valueOf = (options, value) => options.find((each) => each.value && same(JSON.parse(each.value), value))?.value ?? "";

const flawOf = (element) => (element.validity.valid ? "" : flaw(element));

function fails(field) {
  try {
    kinds[field.dataset.field].read(field);
    return false;
  } catch (error) {
    if (error instanceof Unfit) return true;
    throw error;
  }
}
