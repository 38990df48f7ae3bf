// Whose agents these are, where the page shows those of several people.

const list = document.getElementById("owners");

/** The e-mail address of a user, or the id when it is not known; empty where all agents are the visitor's own. */
export function ownerName(id) {
  if (list.childElementCount === 0) return "";
  return list.querySelector(`[data-id="${CSS.escape(id)}"]`)?.textContent ?? id;
}
