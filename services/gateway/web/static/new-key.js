// The secret of a new key is shown once.

document.getElementById("new-key").addEventListener("done", ({ detail: key }) => {
  document.getElementById("secret").textContent = key.secret;
});
