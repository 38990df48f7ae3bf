// What every page has: forms, dialogs, copying, instants of here, light and dark.

import { copied } from "./clipboard.js";
import "./form.js";
import { showInstants, t } from "./text.js";

const YEAR_S = 365 * 86400;
const COPIED_MS = 2000;
const root = document.documentElement;

showInstants(document);

document.querySelector("[data-theme-switch]")?.addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  document.cookie = `ws_theme=${root.dataset.theme}; Path=/; Max-Age=${YEAR_S}; SameSite=Lax`;
});

// A password link keeps its token in the fragment, which the address of another language does not have.
for (const link of document.querySelectorAll(".languages a")) link.hash = location.hash;

for (const button of document.querySelectorAll("[data-opens]")) {
  button.addEventListener("click", () => document.getElementById(button.dataset.opens).showModal());
}
for (const button of document.querySelectorAll("[data-closes]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}

for (const button of document.querySelectorAll("[data-copies]")) {
  const said = button.querySelector("[data-said]");
  const before = said.textContent;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copies);
    const done = await copied(source.textContent, () => getSelection().selectAllChildren(source));
    said.textContent = done ? t("Copied") : t("Press Ctrl+C");
    setTimeout(() => (said.textContent = before), COPIED_MS);
  });
}
