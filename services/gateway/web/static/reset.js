// The token of a password link is in its fragment: browsers send that nowhere.

const form = document.getElementById("reset");
const token = location.hash.slice(1);

form.elements.token.value = token;
form.elements.token.defaultValue = token;
form.hidden = !token;
document.getElementById("reset-incomplete").hidden = Boolean(token);
// Another link in the same window is the same page to the browser; where the link to the content leads is none.
addEventListener("hashchange", () => {
  if (!document.getElementById(location.hash.slice(1))) location.reload();
});
form.addEventListener("done", () => history.replaceState(null, "", location.pathname));
