// Rows of a table that is looked at again and again: what is there already stays.

/** Show a row for each, filled by `fill`: the one that it had before if there is one, else one made of a template. */
export function showRows(table, template, wanted, fill) {
  const [body] = table.tBodies;
  const there = new Map([...body.rows].map((row) => [row.dataset.id, row]));
  const rows = wanted.map((each) => {
    const row = there.get(each.id) ?? document.getElementById(template).content.firstElementChild.cloneNode(true);
    row.dataset.id = each.id;
    fill(row, each);
    return row;
  });
  arrange(body, rows);
}

/** Let a table have these rows. They are moved, not made anew: whoever is at a button of one stays there. */
export function arrange(body, rows) {
  const kept = new Set(rows);
  for (const each of [...body.rows]) if (!kept.has(each)) each.remove();
  rows.forEach((each, n) => body.rows[n] !== each && body.insertBefore(each, body.rows[n] ?? null));
}
