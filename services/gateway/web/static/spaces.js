// The cards of the spaces turn live. Only those in view are asked for.

import { health, showHealth } from "./health.js";
import { whileVisible } from "./polling.js";

const EVERY_MS = 3000;
const inView = new Set();

async function look() {
  await Promise.all([...inView].map(async (card) => showHealth(card, await health(card.dataset.space))));
}

const observer = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) inView.add(target);
    else inView.delete(target);
  }
});
const cards = document.querySelectorAll("[data-space]");
for (const card of cards) observer.observe(card);
if (cards.length) {
  await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame); // by now the observer has reported
  whileVisible(EVERY_MS, look);
}
