// The words of the page's language; the English text is its own key.

const { lang } = document.documentElement;
const { default: words } = await import(`./messages.${lang}.js`);

const filled = (text, values) => text.replace(/%\((\w+)\)s/g, (_, name) => values[name]);

/** Whether the text is in the catalogue of another language than English. */
export const known = (text) => Object.hasOwn(words, text);

/** A text with its placeholders filled. */
export const t = (text, values = {}) => filled(known(text) ? words[text] : text, values);

/** The form of a text that goes with a number, `num`. */
export function tn(one, many, num, values = {}) {
  const forms = known(one) ? words[one] : [one, many];
  return filled(forms[Math.min(num === 1 ? 0 : 1, forms.length - 1)], { num, ...values });
}

const locale = navigator.languages.find((each) => each.startsWith(lang)) ?? lang;
// Made once: lists that are live show hundreds of instants, again and again.
const [toTheMinute, toTheSecond] = ["short", "medium"].map((timeStyle) => new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle }));

/** An instant as people here read it: in the page's language, in the way of the browser's country. */
export const instant = (at) => toTheMinute.format(new Date(at));

/** The same with its seconds. */
export const exactInstant = (at) => toTheSecond.format(new Date(at));

/** Show the instants that the server has written into a page, or a part of one. */
export function showInstants(root) {
  for (const time of root.querySelectorAll("time")) time.textContent = instant(time.dateTime);
}

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];

/** A number of bytes as people read it, with so many digits behind the point at most. */
export function bytes(count, digits = 1) {
  const power = Math.min(Math.max(Math.floor(Math.log10(Math.max(count, 1)) / 3), 0), UNITS.length - 1);
  const format = { style: "unit", unit: UNITS[power], unitDisplay: power ? "short" : "long", maximumFractionDigits: digits };
  return new Intl.NumberFormat(lang, format).format(count / 1000 ** power);
}
