// Fields that hold files: chosen, dropped, pasted, or named by their addresses; uploaded at once.

import { call, Problem, told } from "./api.js";
import { takeGiven } from "./input-given.js";
import { bytes, t } from "./text.js";
import { CalledOff, Upload } from "./upload.js";

const UPLOADED = /^\/v1\/files\/[A-Za-z0-9._-]+$/;
// A container that browsers call a film may hold sound alone.
const AUDIO_ALSO = /^video\/(webm|ogg)$/;
const EXACT = 12;
/** Problems that may be over when the upload is tried again. */
const PASSING = new Set(["unreachable", "unavailable", "internal", "offset_mismatch", "invalid_request"]);
/** What is known of each item of a list: `value`, what stands for it in the input, once it is there; `upload` as long as it
    is on its way or was cut off; `preview`, the address of its picture. */
const known = new WeakMap();

/** Let the file fields of a form for inputs do what they do. `mark` shows a flaw, `changed` hears of each change. */
export function turnOnFiles(root, mark, changed) {
  const context = { root, mark, changed };
  for (const field of fileFields(root)) {
    const [chooser, address] = ["[data-chooser]", "[data-address]"].map((each) => field.querySelector(each));
    field.querySelector("[data-limit]").textContent = t("up to %(size)s", { size: bytes(root.dataset.mostBytes) });
    chooser.addEventListener("change", () => {
      add(context, field, [...chooser.files]);
      chooser.value = ""; // so that the same file can be chosen again
    });
    address.addEventListener("change", () => takeAddress(context, field, address));
  }
  takeGiven(root, (files, over) => {
    const field = over ?? fitting(root, files);
    if (field) add(context, field, files);
    return Boolean(field);
  });
}

/** What stands for the files of a field; undefined while one is on its way. */
export function filesOf(field) {
  const values = items(field).map((item) => known.get(item).value);
  const address = field.querySelector("[data-address]").value.trim();
  if (values.includes(undefined)) return undefined;
  return address ? (isMany(field) ? [...values, address] : [address]) : values;
}

/** Show files that are there already, or addresses. */
export function showFiles(root, field, values) {
  for (const item of items(field)) discard(item);
  field.querySelector("[data-address]").value = "";
  for (const value of values) list(field, shown(root, field, value));
}

/** The number of files that are on their way, or were cut off. */
export const pendingFiles = (root) =>
  fileFields(root).flatMap(items).filter((item) => known.get(item).upload).length;

const fileFields = (root) => [...root.querySelectorAll("[data-field=file]")];
const items = (field) => [...field.querySelectorAll("[data-files] > li")];
const isMany = (field) => "many" in field.dataset;

function add(context, field, files) {
  context.mark(field, "");
  const flaws = files.map((file) => unwanted(context.root, field, file)).filter(Boolean);
  const wanted = files.filter((file) => !unwanted(context.root, field, file));
  const listed = isMany(field) ? wanted : wanted.slice(0, 1);
  if (listed.length < wanted.length) flaws.push(t("Only one file fits here: “%(name)s” is taken.", { name: listed[0].name }));
  for (const file of listed) list(field, sent(context, field, file));
  if (flaws.length) context.mark(field, flaws.join(" "));
  context.changed();
}

/** Why a file is not even sent; empty when it is. */
function unwanted(root, field, file) {
  const most = Number(root.dataset.mostBytes);
  // Two sizes that differ must not read alike.
  const digits = bytes(file.size) === bytes(most) ? EXACT : 1;
  const named = { name: file.name, size: bytes(file.size, digits), most: bytes(most, digits) };
  if (file.size > most) return t("“%(name)s” is too large: it has %(size)s, and a file may have %(most)s.", named);
  if (accepts(field, file)) return "";
  const { accept } = field.dataset;
  const text = {
    "image/*": t("“%(name)s” is no image.", named),
    "audio/*": t("“%(name)s” is no recording.", named),
    "video/*": t("“%(name)s” is no film.", named),
  }[accept];
  return text ?? t("“%(name)s” is not of the type %(type)s.", { ...named, type: accept });
}

function accepts(field, { type }) {
  const { accept } = field.dataset;
  if (!accept || !type) return true; // the API looks at its bytes
  if (accept.endsWith("/*")) return type.startsWith(accept.slice(0, -1)) || declared(field, type) !== type;
  return type === accept;
}

/** As what a file is sent. */
function declared(field, type) {
  return field.dataset.accept === "audio/*" && AUDIO_ALSO.test(type) ? type.replace("video", "audio") : type;
}

/** Put an item into the list of a field, which may have room for one. */
function list(field, item) {
  if (!isMany(field)) for (const other of items(field)) discard(other);
  field.querySelector("[data-files]").append(item);
}

function discard(item) {
  const { upload, preview } = known.get(item);
  upload?.callOff();
  if (preview) URL.revokeObjectURL(preview);
  item.remove();
}

function made(root, name, remove) {
  const item = root.querySelector("template[data-file-item]").content.firstElementChild.cloneNode(true);
  part(item, "file-name").textContent = name;
  part(item, "remove").setAttribute("aria-label", t("Remove %(name)s", { name }));
  part(item, "remove").addEventListener("click", remove);
  return item;
}

const part = (item, name) => item.querySelector(`[data-${name}]`);

function sent(context, field, file) {
  const item = made(context.root, file.name, () => taken(context, field, item));
  const upload = new Upload(file, declared(field, file.type), context.root.dataset.space, (count) => {
    item.querySelector("progress").value = file.size ? count / file.size : 1;
  });
  const preview = URL.createObjectURL(file);
  known.set(item, { value: undefined, upload, preview });
  part(item, "file-size").textContent = bytes(file.size);
  picture(item, file.type, preview);
  part(item, "again").addEventListener("click", () => send(context, field, item));
  send(context, field, item);
  return item;
}

async function send(context, field, item) {
  if (!context.root.dataset.space) return hold(item);
  const { upload, preview } = known.get(item);
  part(item, "again").hidden = true;
  part(item, "file-flaw").hidden = true;
  item.querySelector("progress").hidden = false;
  part(item, "file-said").textContent = t("Uploading …");
  try {
    known.set(item, { value: await upload.run(), upload: null, preview });
    part(item, "file-said").textContent = t("Uploaded");
  } catch (problem) {
    if (problem instanceof CalledOff) return;
    if (!(problem instanceof Problem)) throw problem;
    failed(context, field, item, problem);
  }
  item.querySelector("progress").hidden = true;
  context.changed();
}

/** In the form of a space that is not made yet, a file goes nowhere. */
function hold(item) {
  known.set(item, { value: "/v1/files/preview", upload: null, preview: known.get(item).preview });
  item.querySelector("progress").hidden = true;
}

function failed(context, field, item, problem) {
  const name = part(item, "file-name").textContent;
  part(item, "file-said").textContent = "";
  if (PASSING.has(problem.code) || problem.againS) {
    part(item, "file-flaw").textContent = t("The upload was cut off. %(why)s", { why: told(problem) });
    part(item, "file-flaw").hidden = false;
    part(item, "again").hidden = false;
    return;
  }
  discard(item);
  context.mark(field, t("“%(name)s” is refused. %(why)s", { name, why: problem.detail || told(problem) }));
}

function taken(context, field, item) {
  discard(item);
  context.mark(field, "");
  field.querySelector("[data-chooser]").focus();
  context.changed();
}

/** What a list has for a file that is there already, or for an address. */
function shown(root, field, value) {
  const item = made(root, value, () => {
    discard(item);
    field.querySelector("[data-chooser]").focus();
    root.dispatchEvent(new Event("change"));
  });
  known.set(item, { value, upload: null, preview: null });
  item.querySelector("progress").hidden = true;
  if (UPLOADED.test(value)) describe(item, value);
  else if (value.startsWith("data:")) part(item, "file-name").textContent = `${value.slice(0, 48)}…`;
  return item;
}

async function describe(item, path) {
  try {
    const file = await call("GET", path);
    part(item, "file-name").textContent = file.name || path;
    part(item, "file-size").textContent = bytes(file.size);
    picture(item, file.media_type, file.urls.content);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    part(item, "file-flaw").textContent = told(problem);
    part(item, "file-flaw").hidden = false;
  }
}

function picture(item, type, address) {
  const [kind] = type.split("/");
  const element = { image: "img", audio: "audio", video: "video" }[kind];
  item.dataset.kind = element ? kind : "other";
  if (!element) return;
  const shown = document.createElement(element);
  if (element === "img") shown.alt = t("Preview");
  else shown.controls = true;
  shown.addEventListener("error", () => (item.dataset.kind = "other"));
  shown.src = address;
  part(item, "preview").replaceChildren(shown);
}

function takeAddress(context, field, input) {
  const address = input.value.trim();
  context.mark(field, "");
  if (!address) return;
  if (!/^(https:\/\/[^/]|data:|\/v1\/files\/)/.test(address)) {
    context.mark(field, t("An address begins with https://"));
    return;
  }
  input.value = "";
  list(field, shown(context.root, field, address));
  context.changed();
}

/** The field that files are most likely for: one that takes them, best an empty one. */
function fitting(root, files) {
  const taking = fileFields(root).filter((field) => files.every((file) => accepts(field, file)));
  return taking.find((field) => !items(field).length) ?? taking[0] ?? fileFields(root)[0];
}
