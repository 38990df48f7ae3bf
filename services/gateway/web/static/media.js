// Files in outputs and inputs: what they refer to is shown as what it is, as far as browsers can; all else is a link.

import { call, Problem } from "./api.js";
import { made } from "./elements.js";
import { bytes } from "./request-words.js";
import { t } from "./text.js";

const REFERENCE = /^\/v1\/files\/[A-Za-z0-9_-]{1,64}(\.[1-9][0-9]{0,18})?\.[0-9a-f]{32}$/;
const DATA = /^data:((?:image|audio|video)\/[a-z0-9.+-]{1,60});base64,([A-Za-z0-9+/]+={0,2})$/;
const LINK = /^https?:\/\/\S{1,2000}$/;
const MOST = 24;
const LOOKED_AT = 5000;

const isFile = (text) => REFERENCE.test(text) || (text.startsWith("data:") && DATA.test(text));

/** The texts of a value that are files, each once: the first ones of a large value. */
export function filesIn(value) {
  const found = new Set();
  const left = [value];
  for (let looked = 0; left.length && looked < LOOKED_AT && found.size < MOST; looked += 1) {
    const each = left.shift();
    if (typeof each === "string" && isFile(each)) found.add(each);
    else if (each && typeof each === "object") left.push(...Object.values(each).slice(0, LOOKED_AT - looked));
  }
  return [...found];
}

/** A figure that shows a file; it fills itself. */
export function figure(text) {
  const shown = made("figure", "media");
  const data = DATA.exec(text);
  if (data) showData(shown, data[1], data[2]);
  else showFile(shown, text);
  return shown;
}

/** A link in place of a text that is a file or an address; null for any other. */
export function link(text) {
  if (REFERENCE.test(text)) return anchor(`${text}/content`, text, true);
  if (DATA.test(text)) return made("span", "value-string", t("%(type)s, shown above", { type: text.slice(5, text.indexOf(";")) }));
  return LINK.test(text) ? anchor(text, text, false) : null;
}

/** A link that saves a text as a file. */
export function saves(text, name, mediaType, label) {
  const shown = anchor("", label, true);
  shown.className = "button small";
  shown.download = name;
  shown.addEventListener("click", () => {
    const url = URL.createObjectURL(new Blob([text], { type: mediaType }));
    shown.href = url;
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  });
  shown.href = "#";
  return shown;
}

async function showFile(shown, reference) {
  shown.ariaBusy = "true";
  try {
    const file = await call("GET", reference);
    show(shown, file.media_type, `${reference}/content`, file.name || t("File"), file.size);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    shown.replaceChildren(made("p", "faint", unavailable(problem)));
  } finally {
    shown.ariaBusy = "false";
  }
}

function unavailable({ code }) {
  if (code === "data_expired") return t("This file is no longer kept.");
  if (code === "not_found") return t("There is no such file, or it is not yours.");
  return t("The file cannot be seen right now.");
}

function showData(shown, mediaType, base64) {
  const data = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  show(shown, mediaType, URL.createObjectURL(new Blob([data], { type: mediaType })), t("File"), data.length);
}

function show(shown, mediaType, url, name, size) {
  const kind = mediaType.split("/")[0];
  const media = player(kind, url, name);
  const caption = made("figcaption");
  const title = made("span", "media-name", name);
  title.translate = false;
  const save = anchor(url, t("Download"), true);
  save.className = "button small";
  save.setAttribute("aria-label", t("Download %(name)s", { name }));
  save.download = name;
  const about = made("span", "faint");
  about.append(mark(mediaType), ` · ${bytes(size)}`);
  caption.append(title, about, save);
  shown.dataset.kind = media ? kind : "file";
  shown.replaceChildren(...(media ? [media] : []), caption);
}

function player(kind, url, name) {
  if (kind === "image") {
    const image = made("img");
    Object.assign(image, { src: url, alt: name, loading: "lazy", decoding: "async", translate: false });
    image.addEventListener("error", () => image.remove());
    return image;
  }
  if (kind !== "audio" && kind !== "video") return null;
  const media = made(kind);
  Object.assign(media, { src: url, controls: true, preload: "metadata", translate: false });
  media.setAttribute("aria-label", name);
  return media;
}

function mark(text) {
  const shown = made("span", "", text);
  shown.translate = false;
  return shown;
}

function anchor(url, text, own) {
  const shown = made("a", "", text);
  shown.href = url;
  shown.translate = false;
  if (!own) Object.assign(shown, { rel: "noopener noreferrer nofollow", target: "_blank" });
  return shown;
}
