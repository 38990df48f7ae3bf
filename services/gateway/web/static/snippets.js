// Code that submits a request, in the languages of programs. Pure. Whatever an input holds stays a value: nothing in it is
// read as code by a shell, by Python or by JavaScript.

/** The code for a submission: `{gateway, space, body}`, where the body has `input` and perhaps `policy`. */
export const snippets = { curl, python, javascript };

function curl({ gateway, space, body }) {
  return [
    `curl -sS ${shell(`${gateway}/v1/spaces/${space}/requests`)} \\`,
    '  -H "Authorization: Bearer $WS_API_KEY" \\',
    "  -H 'Content-Type: application/json' \\",
    "  -H 'Prefer: wait=60' \\",
    `  --data-raw ${shell(json(body))}`,
  ].join("\n");
}

function python({ gateway, space, body }) {
  const policy = body.policy && `, policy=Policy(${Object.entries(body.policy).map(([name, value]) => `${name}=${literal(value, PYTHON)}`).join(", ")})`;
  return [
    "import os",
    "",
    `from spaces_client import Client${policy ? ", Policy" : ""}`,
    "",
    `client = Client(${quoted(gateway)}, os.environ["WS_API_KEY"])`,
    `request = client.submit(${quoted(space)}, ${literal(body.input, PYTHON)}, wait_s=60${policy ?? ""})`,
    "print(request.status, request.output)",
  ].join("\n");
}

function javascript({ gateway, space, body }) {
  return [
    `const answer = await fetch(${quoted(`${gateway}/v1/spaces/${space}/requests`)}, {`,
    '  method: "POST",',
    "  headers: {",
    "    Authorization: `Bearer ${process.env.WS_API_KEY}`,",
    '    "Content-Type": "application/json",',
    '    Prefer: "wait=60",',
    "  },",
    `  body: JSON.stringify(${literal(body, JAVASCRIPT, "  ")}),`,
    "});",
    "const request = await answer.json();",
    "console.log(request.status, request.output);",
  ].join("\n");
}

/** A word of a POSIX shell: within single quotes nothing but these means anything. */
const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;

const json = (value) => ascii(JSON.stringify(value, null, 2));

/** A text in Python and in JavaScript: JSON's escapes mean the same there. */
function quoted(text) {
  return ascii(JSON.stringify(text));
}

/** What cannot be seen, or turns the direction of what is read, is escaped: code shows all that it holds. */
function ascii(text) {
  return text.replace(/[\u007f-\u00a0\u00ad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

const PYTHON = { null: "None", true: "True", false: "False", step: "    ", name: quoted };
/** An object's `__proto__` is a member like others only where it is computed. */
const JAVASCRIPT = { null: "null", true: "true", false: "false", step: "  ", name: (text) => (text === "__proto__" ? `[${quoted(text)}]` : quoted(text)) };

/** A JSON value in a language. */
function literal(value, language, indent = "") {
  if (value === null || typeof value === "boolean") return language[value];
  if (typeof value === "string") return quoted(value);
  if (typeof value !== "object") return JSON.stringify(value);
  const inner = indent + language.step;
  const lines = Array.isArray(value)
    ? value.map((each) => inner + literal(each, language, inner))
    : Object.entries(value).map(([name, each]) => `${inner}${language.name(name)}: ${literal(each, language, inner)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return lines.length ? `${open}\n${lines.join(",\n")},\n${indent}${close}` : open + close;
}
