// Sends a file to the API as tus has it: the API says whether it wants the file before many bytes are sent, and what was cut
// off goes on where it was.

import { call, Problem, signInAgain, token } from "./api.js";

const TUS = { "Tus-Resumable": "1.0.0" };
// By its first bytes the API tells whether it takes the file.
const FIRST_BYTES = 64 * 1024;
const PIECE_BYTES = 16 * 1024 * 1024;
const GONE = [404, 410];

/** The upload was called off. */
export class CalledOff extends Error {}

/** One file on its way; `progressed` hears how many of its bytes have been sent. */
export class Upload {
  #file;
  #type;
  #space;
  #progressed;
  #path = null;
  #running = null;
  #over = false;

  constructor(file, type, space, progressed) {
    this.#file = file;
    this.#type = type;
    this.#space = space;
    this.#progressed = progressed;
  }

  /** Send what is not there yet; the text that stands for the file in inputs. Throws Problem; it may be run again then. */
  async run() {
    let offset = this.#path ? await this.#offset() : 0;
    if (!this.#path) await this.#begin();
    while (offset < this.#file.size) offset = await this.#send(offset);
    return this.#path;
  }

  /** Send no more of it. */
  callOff() {
    this.#over = true;
    this.#running?.abort();
  }

  async #begin() {
    const query = new URLSearchParams({ space: this.#space, name: this.#file.name });
    const metadata = this.#type ? { "Upload-Metadata": `filetype ${btoa(this.#type)}` } : {};
    const headers = { ...TUS, ...metadata, "Upload-Length": this.#file.size };
    this.#path = (await call("POST", `/v1/files?${query}`, undefined, headers)).urls.self;
  }

  async #offset() {
    const answer = await this.#call("HEAD", this.#path, TUS, null, GONE);
    if (!GONE.includes(answer.status)) return Number(answer.getResponseHeader("Upload-Offset"));
    this.#path = null;
    return 0;
  }

  async #send(offset) {
    const piece = this.#file.slice(offset, offset + (offset ? PIECE_BYTES : FIRST_BYTES));
    const headers = { ...TUS, "Upload-Offset": offset, "Content-Type": "application/offset+octet-stream" };
    const answer = await this.#call("PATCH", this.#path, headers, piece, [409], (sent) => this.#progressed(offset + sent));
    return Number(answer.getResponseHeader("Upload-Offset"));
  }

  #call(method, path, headers, body = null, foreseen = [], sent = () => {}) {
    const request = (this.#running = new XMLHttpRequest());
    return new Promise((resolve, reject) => {
      request.open(method, path);
      for (const [name, value] of Object.entries({ ...headers, "X-CSRF-Token": token })) request.setRequestHeader(name, value);
      request.upload.addEventListener("progress", ({ loaded }) => sent(loaded));
      request.addEventListener("load", () => {
        if (request.status < 300 || foreseen.includes(request.status)) resolve(request);
        else if (request.status === 401) resolve(signInAgain());
        else reject(problem(request));
      });
      request.addEventListener("error", () => reject(new Problem({ code: "unreachable" })));
      request.addEventListener("abort", () => reject(new CalledOff()));
      if (this.#over) reject(new CalledOff());
      else request.send(body);
    });
  }
}

function problem(request) {
  const againS = Number(request.getResponseHeader("Retry-After") ?? 0);
  try {
    return new Problem(JSON.parse(request.responseText), againS);
  } catch {
    return new Problem({ code: "unavailable" }, againS);
  }
}
