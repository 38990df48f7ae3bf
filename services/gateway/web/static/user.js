// The page of a user.

import { showLink } from "./password-link.js";

document.getElementById("password-link-form")?.addEventListener("done", ({ detail }) => showLink(detail));
