// Looking again and again, while somebody looks at the page.

/** Call `look` now and then every so many milliseconds, never twice at once, and only while the page is visible. What is
    returned looks at once. */
export function whileVisible(everyMs, look) {
  let timer;
  let looking = false;

  async function turn() {
    clearTimeout(timer);
    if (document.hidden || looking) return;
    looking = true;
    try {
      await look();
    } finally {
      looking = false;
      timer = setTimeout(turn, everyMs);
    }
  }

  document.addEventListener("visibilitychange", turn);
  turn();
  return turn;
}
