// Elements that scripts make.

/** An element with a class and a text, as far as they are given. */
export function made(tag, style = "", text = "") {
  const element = document.createElement(tag);
  if (style) element.className = style;
  if (text) element.textContent = text;
  return element;
}
