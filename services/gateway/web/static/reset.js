// The token of a password link is in its fragment: browsers send that nowhere.

const form = document.getElementById("reset");
const token = location.hash.slice(1);

form.elements.token.value = token;
form.elements.token.defaultValue = token;
form.hidden = !token;
document.getElementById("reset-incomplete").hidden = Boolean(token);
form.addEventListener("done", () => history.replaceState(null, "", location.pathname));
