// What agents do, and why their connections end, in words.

import { duration } from "./request-words.js";
import { t } from "./text.js";

/** How an agent is; `gone`: it was here a moment ago. */
export function stateName(state) {
  const names = {
    loading: t("loading"),
    ready: t("ready"),
    draining: t("draining"),
    gone: t("gone"),
    away: t("not connected"),
    unseen: t("No answer"),
  };
  return names[state] ?? state;
}

/** What a state means for its requests; empty when there is nothing to know. */
export function stateMeaning(state) {
  switch (state) {
    case "loading":
      return t("It takes work when it has loaded.");
    case "draining":
      return t("It takes no more work, and ends when what runs has ended.");
    default:
      return "";
  }
}

/** What an agent does with a request that it holds. */
export function heldName(state) {
  const names = { sent: t("about to begin"), running: t("running"), stopping: t("stopping") };
  return names[state] ?? state;
}

/** Why a connection ended, and what to do about that. */
export function ending(cause) {
  switch (cause) {
    case "goodbye":
      return [t("The agent ended."), t("It was stopped or drained, and had finished. Start it when it is needed again.")];
    case "lost":
      return [t("The connection broke off."), t("Its process was killed or has crashed, or the network was cut. While the agent runs it comes back by itself; if not, look at its log.")];
    case "silent":
      return [t("Nothing was heard of it for 25 seconds."), t("Its machine was asleep, overloaded or cut off. It comes back by itself when it can.")];
    case "not_reading":
      return [t("It did not read what was sent."), t("Its machine is overloaded, or the network is too slow for what it is to receive.")];
    case "gateway_stopped":
      return [t("Its gateway was stopped."), t("Nothing is to be done: it goes on at another gateway, or at this one when it is back.")];
    case "gateway_lost":
      return [t("Its gateway has died."), t("The agent goes on elsewhere by itself. The gateway's log says what happened to it.")];
    case "moved":
      return [t("It has a newer connection."), t("Nothing is to be done: it has moved with all that it holds.")];
    case "replaced":
      return [t("Another process has taken its name."), t("Two programs run under one name. Give each a name of its own (--name), or a state directory of its own.")];
    case "disconnected":
      return [t("Somebody disconnected it."), t("It comes back by itself. To keep it away, revoke its key.")];
    case "bad_key":
      return [t("Its key is not valid any more."), t("The key was revoked or has expired, or its user is disabled. Make a new key on the page of the space.")];
    case "shut_out":
      return [t("A space has become private."), t("The agent's user does not manage it. Its owner can make them a manager.")];
    case "protocol":
      return [t("It did not keep to the protocol."), t("Update the agent's program. Its log says what was refused.")];
    case "not_joined":
      return [t("It never joined."), t("A service that is needed did not answer in time. It tries again by itself.")];
    default:
      return [t("The platform lost its track."), t("Nothing is to be done: it connects again by itself.")];
  }
}

/** The same in one text. */
export function endingInOne(cause) {
  const [what, advice] = ending(cause);
  return t("%(what)s %(advice)s", { what, advice });
}

/** So long ago. */
export function since(at) {
  return t("for %(time)s", { time: duration(Math.max(0, (Date.now() - Date.parse(at)) / 1000)) });
}

/** A round trip as people say it. */
export function trip(seconds) {
  if (seconds === null) return "–";
  if (seconds >= 0.00995) return duration(seconds);
  return t("%(num)s ms", { num: seconds < 0.00005 ? "< 0.1" : (seconds * 1000).toFixed(1) });
}
