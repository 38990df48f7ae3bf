// Copying to the clipboard.

/** Whether a text came to the clipboard. Browsers give that only to pages over TLS; what `select` selects they copy anyway. */
export async function copied(text, select) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    select();
    return document.execCommand("copy");
  }
}
