// Whether a space takes what is submitted, said before it is.

import { health, showHealth } from "./health.js";
import { whileVisible } from "./polling.js";

const EVERY_MS = 3000;

/** Keep the page in line with how the space is; `changed` is told whether submitting makes sense. */
export function watchReadiness(page, changed) {
  const notices = page.querySelectorAll("[data-when]");
  const { space, onNoAgent } = page.dataset;
  whileVisible(EVERY_MS, async () => {
    const found = await health(space);
    showHealth(page, found);
    // Both may be so at once; what is first to be done about it is said.
    const status = found?.agents === 0 && found.status === "ok" ? "no_agent" : found?.status;
    for (const notice of notices) notice.hidden = notice.dataset.when !== status;
    if (found) changed(status !== "disabled" && !(onNoAgent === "reject" && found.agents === 0));
  });
}
