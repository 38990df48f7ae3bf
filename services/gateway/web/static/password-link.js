// A link by which somebody sets their password: shown once, to be copied.

import { instant, t } from "./text.js";

/** Show the link that the API has made. */
export function showLink({ url, expires_at }) {
  const shown = document.querySelector("[data-password-link]");
  document.getElementById("password-link").textContent = url;
  shown.querySelector("[data-until]").textContent = t("It is good until %(instant)s.", { instant: instant(expires_at) });
  shown.hidden = false;
}
