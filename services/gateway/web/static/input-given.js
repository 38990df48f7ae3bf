// Files that are dropped on a form for inputs, or pasted anywhere on its page.

const hasFiles = (data) => [...(data?.types ?? [])].includes("Files");
const fieldOf = (element) => element.closest?.("[data-field=file]") ?? null;

/** `take` gets files that are given, and the field that they are given to, null when it is none; it returns whether they are
    taken. */
export function takeGiven(root, take) {
  root.addEventListener("dragover", (event) => hover(root, event));
  root.addEventListener("dragleave", (event) => root.contains(event.relatedTarget) || show(root, null));
  root.addEventListener("drop", (event) => drop(root, event, take));
  document.addEventListener("paste", function pasted(event) {
    if (root.isConnected) paste(root, event, take);
    else document.removeEventListener("paste", pasted);
  });
}

function show(root, over) {
  for (const field of root.querySelectorAll("[data-field=file]")) field.toggleAttribute("data-over", field === over);
}

function hover(root, event) {
  if (!hasFiles(event.dataTransfer)) return;
  event.preventDefault();
  show(root, fieldOf(event.target));
}

function drop(root, event, take) {
  if (!hasFiles(event.dataTransfer)) return;
  event.preventDefault();
  show(root, null);
  take([...event.dataTransfer.files], fieldOf(event.target));
}

function paste(root, event, take) {
  const files = [...event.clipboardData.files];
  // What is copied of a document is text, and may come with a picture of it.
  if (!files.length || event.clipboardData.types.includes("text/plain") || !root.checkVisibility()) return;
  const focused = root.contains(document.activeElement) ? fieldOf(document.activeElement) : null;
  if (take(files, focused)) event.preventDefault();
}
