// The cards of the spaces turn live. Only those in view are asked for.

import { health, showHealth } from "./health.js";
import { whileVisible } from "./polling.js";

const EVERY_MS = 3000;
const inView = new Set();

const look = whileVisible(EVERY_MS, () =>
  Promise.all([...inView].map(async (card) => showHealth(card, await health(card.dataset.space)))),
);

const observer = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) inView.add(target);
    else inView.delete(target);
  }
  look();
});
for (const card of document.querySelectorAll("[data-space]")) observer.observe(card);
