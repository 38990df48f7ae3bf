// The tabs that show how a program submits what is in the form.

import { snippets } from "./snippets.js";
import { t } from "./text.js";

const AFTER_MS = 150;
const LONGEST = 20000;

/** Keep the code in line with the form: `submission` tells what it would submit, or undefined while that is nothing. What is
    returned is called when it may have changed. */
export function codeTabs(submission) {
  const tabs = [...document.querySelectorAll("[data-code]")];
  const panel = document.getElementById("code-panel");
  const code = document.getElementById("code");
  let chosen = tabs[0];
  let timer;

  function show() {
    const wanted = submission();
    if (wanted === undefined) return;
    const made = snippets[chosen.dataset.code](wanted);
    const text = made.length > LONGEST ? t("The input is too large to be shown as code.") : made;
    if (code.textContent !== text) code.textContent = text;
  }

  function choose(tab) {
    chosen = tab;
    for (const each of tabs) {
      each.ariaSelected = String(each === tab);
      each.tabIndex = each === tab ? 0 : -1;
    }
    panel.setAttribute("aria-labelledby", tab.id);
    show();
  }

  for (const [number, tab] of tabs.entries()) {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
      if (!step) return;
      const next = tabs[(number + step + tabs.length) % tabs.length];
      choose(next);
      next.focus();
    });
  }
  show();
  return () => {
    clearTimeout(timer);
    timer = setTimeout(show, AFTER_MS);
  };
}
