// A space's inputs are described by switches or by a schema; beside it is the form that this makes.

import { call, Problem, told } from "./api.js";
import { clear, showBeside } from "./fields.js";
import { numbered } from "./gutter.js";
import { turnOn } from "./input.js";
import { flawedLine, jsonFlaw, lineOf } from "./json-lines.js";
import { t } from "./text.js";

const PAUSE_MS = 400;
const editor = document.querySelector("[data-schema-editor]");
const { form } = editor.querySelector("textarea");
const schema = document.getElementById("input_schema");
const example = document.getElementById("example_input");
const markLines = new Map([schema, example].map((field) => [field, numbered(field)]));
const trial = editor.querySelector("[data-trial]");
let timer;
/** Counts what has been asked for: an answer that is overtaken is not shown. */
let asked = 0;

for (const radio of editor.querySelectorAll("[name=described_by]")) radio.addEventListener("change", describe);
for (const button of editor.querySelectorAll("[data-starter]")) button.addEventListener("click", () => begin(button));
editor.querySelector(".writing").addEventListener("input", later);

function describe() {
  const by = form.elements.described_by.value;
  for (const part of editor.querySelectorAll("[data-by]")) {
    part.hidden = part.dataset.by !== by;
    for (const field of part.querySelectorAll("[name=input_schema]")) field.disabled = part.hidden;
  }
  later();
}

function begin(button) {
  write(schema, button.dataset.schema);
  write(example, button.dataset.example);
  schema.focus();
}

/** In a way that the browser can undo. */
function write(field, text) {
  field.select();
  if (text) document.execCommand("insertText", false, text);
  else document.execCommand("delete");
}

function later() {
  clearTimeout(timer);
  timer = setTimeout(preview, PAUSE_MS);
}

async function preview() {
  const mine = (asked += 1);
  const wanted = body();
  if (!wanted) return stale(t("The form is as it was before: see what is wrong."));
  try {
    const { html, errors } = await call("POST", "/preview", wanted);
    if (mine === asked) shown(html, errors);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (mine === asked) refused(problem);
  }
}

/** What is written; null when it is no JSON, which is shown beside it. */
function body() {
  const own = [schema, example].filter((field) => !field.disabled);
  const flaws = own.filter((field) => field.value.trim() && jsonFlaw(field.value));
  if (flaws.length) {
    mark(flaws.map((field) => ({ pointer: `/${field.name}`, detail: jsonFlaw(field.value) })));
    return null;
  }
  const features = [...form.elements].filter((field) => field.name === "features" && field.checked);
  const [input_schema, example_input] = [schema, example].map((field) =>
    field.disabled || !field.value.trim() ? {} : JSON.parse(field.value),
  );
  return { space: editor.dataset.space, features: features.map((field) => field.value), input_schema, example_input };
}

function shown(html, errors) {
  mark(errors);
  if (!html) return stale(t("The form is as it was before: see what is wrong."));
  const made = new DOMParser().parseFromString(html, "text/html").querySelector("[data-input]");
  trial.replaceChildren(document.adoptNode(made));
  turnOn(made);
  trial.removeAttribute("data-stale");
  said(t("The form is up to date."));
}

function refused(problem) {
  const lost = mark(problem.errors);
  stale([told(problem), ...lost.map(({ detail }) => detail)].join(" "));
}

function stale(text) {
  trial.setAttribute("data-stale", "");
  said(text);
}

/** Show flaws beside their fields, without taking the focus from where somebody writes. */
function mark(errors) {
  clear(form);
  const lost = showBeside(form, errors);
  for (const [field, markThem] of markLines) markThem(errors.map(({ pointer }) => line(field, pointer)));
  return lost;
}

/** The line of a field that a pointer leads to; 0 when it leads elsewhere. */
function line(field, pointer) {
  const own = `/${field.name}`;
  if (pointer === own) return flawedLine(field.value);
  return pointer.startsWith(`${own}/`) ? lineOf(field.value, pointer.slice(own.length)) : 0;
}

function said(text) {
  editor.querySelector("[data-trial-said]").textContent = text;
}
