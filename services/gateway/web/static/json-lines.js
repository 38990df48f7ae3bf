// Where in a JSON text what is: what is wrong with it, and what a pointer (RFC 6901) leads to.

import { t } from "./text.js";

const MOST_DEPTH = 100;
const SPACE = /[ \t\n\r]*/y;
const TEXT = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/y;
const PLAIN = /(?:true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?![\w.+-])/y;

/** What is wrong with a text that is to be JSON, with its line; empty when nothing is. */
export function jsonFlaw(text) {
  const { flaw, line } = new Reading(text);
  return flaw && t("Line %(line)s: %(flaw)s", { line, flaw });
}

/** The line where a text stops being JSON; 0 when it is. */
export const flawedLine = (text) => new Reading(text).line;

/** The line of what a pointer leads to, or else of the innermost thing around it that is there. */
export function lineOf(text, pointer) {
  const { places } = new Reading(text);
  let path = pointer;
  while (path && !places.has(path)) path = path.slice(0, path.lastIndexOf("/"));
  return lineAt(text, places.get(path) ?? 0);
}

const lineAt = (text, offset) => text.slice(0, offset).split("\n").length;

class Wrong extends Error {}

/** A text that has been read, as far as it is JSON. */
class Reading {
  #text;
  #at = 0;
  /** Where each value begins, or its name, by its pointer. */
  places = new Map();
  flaw = "";
  line = 0;

  constructor(text) {
    this.#text = text;
    try {
      this.#value("", 1);
      this.#skip();
      if (this.#at < text.length) this.#wrong(t("Nothing may stand after the end."));
    } catch (error) {
      if (!(error instanceof Wrong)) throw error;
      this.flaw = error.message;
      this.line = lineAt(text, this.#at);
    }
  }

  #value(pointer, depth) {
    this.#skip();
    if (!this.places.has(pointer)) this.places.set(pointer, this.#at);
    if (depth > MOST_DEPTH) this.#wrong(t("This is nested too deep."));
    const first = this.#text[this.#at];
    if (first === "{") this.#each("}", () => this.#member(pointer, depth));
    else if (first === "[") this.#each("]", (number) => this.#value(`${pointer}/${number}`, depth + 1));
    else if (first === '"') this.#string();
    else if (this.#match(PLAIN) === null) this.#wrong(t("A value is missing here, or is none."));
  }

  #member(pointer, depth) {
    this.#skip();
    const from = this.#at;
    if (this.#text[from] !== '"') this.#wrong(t("A name in double quotes is missing here."));
    this.#string();
    const name = JSON.parse(this.#text.slice(from, this.#at));
    const inner = `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    this.places.set(inner, from);
    this.#skip();
    if (this.#text[this.#at] !== ":") this.#wrong(t("A colon is missing here."));
    this.#at += 1;
    this.#value(inner, depth + 1);
  }

  /** What stands between brackets, separated by commas. */
  #each(end, read) {
    this.#at += 1;
    this.#skip();
    for (let number = 0; number || this.#text[this.#at] !== end; number += 1) {
      read(number);
      this.#skip();
      if (this.#text[this.#at] === end) break;
      if (this.#text[this.#at] !== ",") this.#wrong(t("A comma or %(end)s is missing here.", { end }));
      this.#at += 1;
    }
    this.#at += 1;
  }

  #string() {
    this.#match(TEXT);
    if (this.#text[this.#at] !== '"') this.#wrong(t("This text does not end, or has a character that must be escaped."));
    this.#at += 1;
  }

  #skip() {
    this.#match(SPACE);
  }

  #match(pattern) {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found) this.#at = pattern.lastIndex;
    return found;
  }

  #wrong(text) {
    throw new Wrong(text);
  }
}
