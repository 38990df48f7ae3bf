// The numbers of lines beside a text; those with flaws are marked.

/** Number the lines of a text area, now and when it changes; what is returned marks lines. */
export function numbered(area) {
  const gutter = area.parentElement.querySelector("[data-gutter]");
  let marked = new Set();

  function number() {
    const count = area.value.split("\n").length;
    while (gutter.childElementCount > count) gutter.lastElementChild.remove();
    while (gutter.childElementCount < count) {
      const line = document.createElement("span");
      line.textContent = gutter.childElementCount + 1;
      gutter.append(line);
    }
    [...gutter.children].forEach((line, index) => line.classList.toggle("bad", marked.has(index + 1)));
    follow();
  }

  const follow = () => (gutter.scrollTop = area.scrollTop);
  area.addEventListener("input", number);
  area.addEventListener("scroll", follow);
  number();
  return (lines) => {
    marked = new Set(lines);
    number();
  };
}
