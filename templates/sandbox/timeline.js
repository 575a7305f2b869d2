// What happened, in plain words: what WeCom told the bot, and what the bot asked WeCom to do.

import { get, post } from "./api.js";
import { calm, h, nameOf } from "./dom.js";
import { loader } from "./phone.js";
import { duration, exactTime, known, t } from "./texts.js";
import { report } from "./toast.js";

/** Calls that only keep the bot's knowledge of the company fresh: shown small, and together. */
const QUIET = new Set([
  "agent/get",
  "department/list",
  "department/simplelist",
  "externalcontact/batch/get_by_user",
  "externalcontact/get_contact_way",
  "externalcontact/get_corp_tag_list",
  "externalcontact/get_follow_user_list",
  "externalcontact/get_groupmsg_list_v2",
  "externalcontact/get_groupmsg_send_result",
  "externalcontact/get_groupmsg_task",
  "externalcontact/groupchat/list",
  "externalcontact/list_contact_way",
  "getcallbackip",
  "gettoken",
  "user/get",
  "user/list",
  "user/simplelist",
]);
const isQuiet = (entry) => entry.kind === "call" && QUIET.has(entry.path) && !entry.errcode;

export function timelinePanel(root, session) {
  const list = h("ol", { class: "happened", "aria-live": "off" });
  root.replaceChildren(h("p", { class: "timeline-lead", text: t("timeline.lead") }), list);
  const load = loader(() => get("phone/timeline", { limit: 60 }), draw, report);
  const shown = new Map();
  let first = true;

  function draw({ entries }) {
    const items = merged(entries).map((entry) => {
      const print = JSON.stringify(entry);
      const there = shown.get(entry.id);
      if (there && there.print === print) return there.node;
      const node = item(entry, !there && !first);
      shown.set(entry.id, { print, node });
      return node;
    });
    const ids = new Set(entries.map((entry) => entry.id));
    for (const id of [...shown.keys()]) if (!ids.has(id)) shown.delete(id);
    const same = items.length === list.children.length && items.every((node, place) => node === list.children[place]);
    if (!same) list.replaceChildren(...items);
    if (!items.length) list.replaceChildren(h("li", { class: "nothing", text: t("timeline.none") }));
    first = false;
  }

  function item(entry, fresh) {
    const event = entry.kind === "event";
    const quiet = isQuiet(entry);
    const words = event ? eventWords(entry) : callWords(entry);
    const people = entry.mixed ? [] : [entry.staff, entry.customer].filter(Boolean);
    return h(
      "li",
      { class: `happening happening-${entry.kind}${quiet ? " happening-quiet" : ""}${fresh ? " happening-new" : ""}`, "data-id": entry.id },
      h("span", { class: "happening-words" }, words, entry.count > 1 ? h("span", { class: "happening-count", text: `×${entry.count}` }) : null),
      h("time", { class: "happening-time", text: exactTime(entry.at) }),
      h(
        "span",
        { class: "happening-facts" },
        h("span", { class: "happening-way", text: t(event ? "timeline.to_bot" : "timeline.from_bot") }),
        ...[...people, entry.group].filter(Boolean).map((name) => nameOf(name, "happening-who")),
        result(entry, event),
      ),
    );
  }

  function eventWords(entry) {
    for (const key of [`${entry.event}.${entry.change_type}.${entry.detail}`, `${entry.event}.${entry.change_type}`, entry.event]) {
      if (known(`event.${key}`)) return t(`event.${key}`) + (entry.welcome_code ? t("event.with_code") : "");
    }
    return [entry.event, entry.change_type, entry.detail].filter(Boolean).join(" ");
  }

  function callWords(entry) {
    if (entry.mixed) return t("timeline.quiet");
    const key = `call.${entry.path}`;
    return known(key) ? t(key) : entry.path;
  }

  function result(entry, event) {
    const took = entry.seconds ? duration(entry.seconds) : "";
    if (event) {
      if (entry.state === "delivered") return mark("good", t("result.heard", { duration: took || duration(0.001) }) + (entry.attempts > 1 ? t("result.tries", { n: entry.attempts }) : ""));
      if (entry.state === "waiting") return mark("wait", entry.attempts ? t("result.again", { n: entry.attempts }) : t("result.waiting"));
      return mark("bad", t(`result.${entry.state}`, { n: entry.attempts, status: entry.status || t("result.silence") }));
    }
    if (!entry.errcode) return mark("good", t("result.done"));
    return mark("bad", t("result.refused", { code: entry.errcode, message: entry.errmsg }));
  }

  const again = calm(load, 400);
  // A call that changes nothing in the world is not told by the stream, and a call follows its event a moment later.
  setInterval(() => document.visibilityState === "visible" && again(), 4000);
  return {
    refresh() {
      again();
      setTimeout(again, 900);
    },
    translate() {
      shown.clear();
      root.firstChild.textContent = t("timeline.lead");
      first = true;
      load();
    },
  };
}

/** Equal calls one after the other become one line, and so do those that only keep knowledge fresh. */
function merged(entries) {
  const made = [];
  for (const entry of entries) {
    const before = made[made.length - 1];
    const same = entry.kind === "call" && before && ["kind", "path", "errcode", "userid", "external_userid"].every((name) => before[name] === entry[name]);
    const bothQuiet = before && isQuiet(entry) && isQuiet(before);
    if (same || bothQuiet) {
      before.count += 1;
      before.mixed = before.mixed || (bothQuiet && before.path !== entry.path);
    } else made.push({ ...entry, count: 1, mixed: false });
  }
  return made;
}

function mark(kind, text) {
  return h("span", { class: `happening-result result-${kind}`, text });
}

/** The bar at the top: company, bot, clock. */
export function topBar(session) {
  const company = document.getElementById("company");
  const bot = document.getElementById("bot");
  const clock = document.getElementById("clock");
  let state = null;
  let connected = true;
  const load = loader(() => get("phone/state"), draw, report);

  function draw(answer) {
    state = answer;
    session.setClock(answer.timestamp);
    company.textContent = answer.company;
    drawBot();
    tick();
  }

  function drawBot() {
    if (!state) return;
    const { bot: facts } = state;
    const key = !connected ? "offline" : !facts.connected ? "none" : facts.last === "failed" ? "failing" : "fine";
    const words = t(`bot.${key}`);
    const counts = facts.connected && connected ? t("bot.counts", { delivered: facts.delivered, failed: facts.failed }) : "";
    const href = /^https?:\/\//.test(state.bot_url) ? state.bot_url : "";
    bot.className = `bar-bot bot-${key}`;
    bot.replaceChildren(
      h("span", { class: "bot-dot", "aria-hidden": "true" }),
      href ? h("a", { href, target: "_blank", rel: "noopener noreferrer", text: words }) : h("span", { text: words }),
      counts ? h("span", { class: "bot-counts", text: counts }) : "",
    );
  }

  function tick() {
    clock.textContent = session.clockText();
  }

  for (const [id, seconds] of [["hour", 3600], ["day", 86400]]) {
    document.getElementById(id).addEventListener("click", async () => {
      try {
        const answer = await post("clock", { advance_seconds: seconds });
        session.setClock(answer.timestamp);
        tick();
      } catch (error) {
        report(error);
      }
    });
  }
  setInterval(tick, 1000);
  const again = calm(load, 500);
  return {
    load,
    refresh: (change) => (["callback.done", "clock.moved", "app.changed", "world.reset"].includes(change.kind) ? again() : undefined),
    translate: () => {
      drawBot();
      tick();
    },
    setConnected(is) {
      connected = is;
      drawBot();
    },
    get state() {
      return state;
    },
  };
}
