// What was done, as one sentence each: its words are in the page's language, who and what in it lead to their pages.

import { t } from "./text.js";

const EDGE = "\u0001";
const NAMES = ["actor", "subject", "user", "settings"];
/** Placeholders stay recognisable in the translated text, whose order of words is the language's own. */
const at = Object.fromEntries(NAMES.map((name) => [name, `${EDGE}${name}${EDGE}`]));

/** The nodes of the sentence about an entry of the audit. */
export function sentence(entry) {
  const nodes = { actor: person(entry.actor), subject: subject(entry), user: person(entry.user), settings: settings(entry.event) };
  return text(entry).split(EDGE).map((part, index) => (index % 2 ? nodes[part] : part));
}

function text(entry) {
  const own = entry.actor && entry.actor.id === (entry.user ?? entry.subject).id;
  const { role } = entry.event;
  switch (entry.type) {
    case "user_created":
      if (own) return t("%(actor)s signed up.", at);
      return role === "admin" ? t("%(actor)s made the user %(subject)s, an administrator.", at) : t("%(actor)s made the user %(subject)s.", at);
    case "user_disabled":
      return t("%(actor)s disabled the user %(subject)s.", at);
    case "user_enabled":
      return t("%(actor)s enabled the user %(subject)s.", at);
    case "user_role_set":
      return role === "admin" ? t("%(actor)s made %(subject)s an administrator.", at) : t("%(actor)s made %(subject)s a member, no administrator any more.", at);
    case "password_changed":
      return own ? t("%(actor)s changed their password.", at) : t("%(actor)s changed the password of %(subject)s.", at);
    case "password_reset_made":
      return t("%(actor)s made a password link for %(subject)s.", at);
    case "api_key_created":
      return own ? t("%(actor)s made the API key %(subject)s.", at) : t("%(actor)s made the API key %(subject)s for %(user)s.", at);
    case "agent_key_created":
      return own ? t("%(actor)s made the agent key %(subject)s.", at) : t("%(actor)s made the agent key %(subject)s for %(user)s.", at);
    case "key_revoked":
      if (own || !entry.user) return t("%(actor)s revoked the key %(subject)s.", at);
      return t("%(actor)s revoked the key %(subject)s of %(user)s.", at);
    default:
      return ofSpace(entry, own);
  }
}

function ofSpace(entry, own) {
  switch (entry.type) {
    case "space_created":
      return own ? t("%(actor)s made the space %(subject)s.", at) : t("%(actor)s made the space %(subject)s for %(user)s.", at);
    case "space_edited":
      return t("%(actor)s changed settings of the space %(subject)s: %(settings)s.", at);
    case "space_enabled":
      return t("%(actor)s enabled the space %(subject)s.", at);
    case "space_disabled":
      return t("%(actor)s disabled the space %(subject)s.", at);
    case "space_paused":
      return t("%(actor)s paused the space %(subject)s.", at);
    case "space_resumed":
      return t("%(actor)s resumed the space %(subject)s.", at);
    case "space_deleted":
      return t("%(actor)s deleted the space %(subject)s.", at);
    case "space_member_set":
      return member(entry.event.role);
    case "space_member_removed":
      return t("%(actor)s removed %(user)s from the space %(subject)s.", at);
    default: // of a gateway that is newer than this page
      return `${at.actor}: ${entry.type} ${at.subject}`;
  }
}

function member(role) {
  if (role === "manager") return t("%(actor)s made %(user)s a manager of the space %(subject)s.", at);
  if (role === "submitter") return t("%(actor)s made %(user)s a submitter of the space %(subject)s.", at);
  return t("%(actor)s made %(user)s a viewer of the space %(subject)s.", at);
}

function person(who) {
  return who ? link(`/users/${who.id}`, who.email ?? who.id) : element("strong", t("The system"), false);
}

function subject({ subject: { kind, id, name }, type }) {
  if (kind === "user") return link(`/users/${id}`, name || id);
  if (kind === "key" || type === "space_deleted") return element("strong", name || id);
  return link(`/spaces/${id}`, name || id);
}

function settings(event) {
  const common = ["type", "id", "prev_seq", "actor", "schema", "space"];
  return element("code", Object.keys(event).filter((name) => !common.includes(name)).join(", "));
}

function link(path, name) {
  const made = element("a", name);
  made.href = path;
  return made;
}

function element(kind, name, ofPeople = true) {
  const made = document.createElement(kind);
  made.textContent = name;
  if (ofPeople) made.translate = false;
  return made;
}
