// Filters of the list of requests: in the page's address they stand as the API takes them. Pure but for the form's elements.

const FILTERS = ["space", "status", "user", "created_after", "created_before"];
const INSTANTS = new Set(["created_after", "created_before"]);

/** What of an address the list understands. */
export function asked(search) {
  const given = new URLSearchParams(search);
  return new URLSearchParams([...given].filter(([name, value]) => value && [...FILTERS, "cursor"].includes(name)));
}

/** Whether anything but a page is asked for. */
export const filtered = (query) => FILTERS.some((name) => query.has(name));

/** The same filters on another page; null: the newest one. */
export function onPage(query, cursor) {
  const other = new URLSearchParams(query);
  other.delete("cursor");
  if (cursor) other.set("cursor", cursor);
  return other;
}

/** The page's address of a query. */
export const address = (query) => (String(query) ? `/requests?${query}` : "/requests");

/** What the form says. */
export function chosen(form) {
  const query = new URLSearchParams();
  const statuses = [...form.elements.status].filter((box) => box.checked).map((box) => box.value);
  for (const name of FILTERS) {
    const value = name === "status" ? statuses.join(",") : (form.elements[name]?.value.trim() ?? "");
    if (value) query.set(name, INSTANTS.has(name) ? new Date(value).toISOString() : value);
  }
  return query;
}

/** Let the form say what a query does. */
export function choose(form, query) {
  const statuses = query.getAll("status").flatMap((value) => value.split(","));
  for (const box of form.elements.status) box.checked = statuses.includes(box.value);
  for (const name of FILTERS.filter((each) => each !== "status" && form.elements[each])) {
    const field = form.elements[name];
    const value = query.get(name) ?? "";
    // A space that is no more, or never was one.
    if (name === "space" && ![...field.options].some((option) => option.value === value)) field.add(new Option(value, value));
    field.value = INSTANTS.has(name) ? local(value) : value;
  }
}

/** An instant as a field for date and time has it, in the time of here. */
function local(instant) {
  const at = new Date(instant);
  if (!instant || Number.isNaN(at.getTime())) return "";
  return new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}
