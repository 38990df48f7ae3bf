// What a request has come to, in an element of the page: text as it comes, values as a tree, files as what they are.

import { copied } from "./clipboard.js";
import { made } from "./elements.js";
import { filesIn, figure, link, saves } from "./media.js";
import { duration } from "./request-words.js";
import { t } from "./text.js";
import { tree } from "./json-tree.js";

const LONGEST = 200000;
const LINES = 2000;

/** The output of a request. */
export class Output {
  #root;
  #text = null;
  #shown = 0;
  #final = undefined;

  constructor(root) {
    this.#root = root;
  }

  /** Show the pieces that have come so far; those that are shown already stay as they are. */
  live(chunks) {
    if (chunks.length < this.#shown || this.#final !== undefined) this.clear();
    for (const chunk of chunks.slice(this.#shown)) this.#append(chunk);
    this.#shown = chunks.length;
  }

  /** Show the whole output, which changes no more. `name`: what it is called when it is saved. */
  whole(output, name) {
    if (this.#final === output) return;
    this.clear();
    this.#final = output;
    const shown = made("div", "shown");
    shown.append(...parts(output));
    this.#root.append(shown, this.#tools(output, shown, name));
  }

  /** Show nothing. */
  clear() {
    this.#root.replaceChildren();
    this.#text = null;
    this.#shown = 0;
    this.#final = undefined;
  }

  #append(chunk) {
    if (typeof chunk !== "string") {
      this.#text = null;
      for (const value of chunk) this.#root.append(...(typeof value === "string" ? [prose(value)] : parts(value)));
      return;
    }
    if (!this.#text) this.#root.append((this.#text = prose("")));
    this.#text.append(chunk);
  }

  #tools(output, shown, name) {
    const tools = made("div", "tools");
    if (typeof output === "string") {
      tools.append(copies(output), saves(output, `${name}.txt`, "text/plain", t("Download")));
      return tools;
    }
    const text = JSON.stringify(output, null, 2);
    const raw = made("button", "button small", t("Raw"));
    raw.type = "button";
    raw.ariaPressed = "false";
    let source = null;
    raw.addEventListener("click", () => {
      source ??= bounded(text);
      const isRaw = raw.ariaPressed !== "true";
      raw.ariaPressed = String(isRaw);
      if (isRaw) shown.replaceWith(source);
      else source.replaceWith(shown);
    });
    tools.append(raw, copies(text), saves(text, `${name}.json`, "application/json", t("Download")));
    return tools;
  }
}

/** Show the lines that a handler has logged: the latest ones of very many. */
export function showLog(root, lines) {
  const text = lines.slice(-LINES).join("\n");
  if (root.textContent !== text) root.textContent = text;
}

/** Show how far a handler says that it is, in an element with a `progress` and a `[data-message]`; null: it does not say. */
export function showProgress(root, progress) {
  root.hidden = progress === null;
  if (progress === null) return;
  const bar = root.querySelector("progress");
  bar.value = progress.fraction;
  const percent = `${Math.floor(progress.fraction * 100)} %`;
  root.querySelector("[data-percent]").textContent = percent;
  root.querySelector("[data-message]").textContent = progress.message;
}

/** The times that a request was queued and ran, to scale, in an element with an `svg` that has the rectangles `queued` and
    `running`; in seconds. */
export function showTimes(root, queuedS, ranS) {
  const total = queuedS + ranS || Infinity;
  const [queued, running] = root.querySelectorAll("rect");
  const part = Math.min(100, (100 * queuedS) / total);
  queued.setAttribute("width", String(part));
  running.setAttribute("x", String(part));
  running.setAttribute("width", String(Math.min(100 - part, (100 * ranS) / total)));
  root.querySelector("[data-queued]").textContent = duration(queuedS);
  root.querySelector("[data-ran]").textContent = duration(ranS);
}

function parts(output) {
  if (typeof output === "string" && !filesIn(output).length) return [bounded(output)];
  const files = filesIn(output);
  const found = files.length ? [made("div", "gallery")] : [];
  if (files.length) found[0].append(...files.map(figure));
  return typeof output === "string" ? found : [...found, tree(output, link)];
}

function bounded(text) {
  if (text.length <= LONGEST) return prose(text);
  const cut = made("div");
  cut.append(prose(text.slice(0, LONGEST)), made("p", "faint", t("The first %(shown)s of %(all)s characters are shown: download it to see the rest.", { shown: LONGEST, all: text.length })));
  return cut;
}

function prose(text) {
  const shown = made("pre", "prose", text);
  shown.translate = false;
  shown.tabIndex = 0;
  return shown;
}

function copies(text) {
  const button = made("button", "button small", t("Copy"));
  button.type = "button";
  button.addEventListener("click", async () => {
    const done = await copy(text);
    button.textContent = done ? t("Copied") : t("Not copied: download it");
    setTimeout(() => (button.textContent = t("Copy")), 2000);
  });
  return button;
}

async function copy(text) {
  const area = made("textarea");
  area.value = text;
  const done = await copied(text, () => {
    document.body.append(area);
    area.select();
  });
  area.remove();
  return done;
}
