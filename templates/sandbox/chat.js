// The chat of a member and a customer, seen from either phone.

import { get, part, post } from "./api.js";
import { line, row } from "./bubbles.js";
import { calm, h, icon, nameOf } from "./dom.js";
import { panelScreen } from "./panel.js";
import { loader } from "./phone.js";
import { chatTime, duration, t } from "./texts.js";
import { report } from "./toast.js";

const PAUSE_SECONDS = 300;
/** A welcome that has not come by then deserves a word: its code is good for 20 seconds. */
const PATIENCE_MS = 6000;

/**
 * `side`: customer or staff. `scannedAt`: performance.now() of the scan, to say how long the welcome took.
 * `openProfile`: shows the customer's card (staff only).
 */
export function chatScreen({ phone, session, side, userid, externalUserid, scannedAt = 0, openProfile = null }) {
  const title = h("span", { class: "nav-name" });
  const list = h("ol", { class: "messages", "aria-live": "polite", "aria-relevant": "additions" });
  const older = h("button", { type: "button", class: "more-button", hidden: true, text: t("chat.older") });
  const body = h("div", { class: "screen chat", tabindex: "0" }, older, list);
  const input = h("input", { type: "text", class: "composer-input", name: "text", autocomplete: "off", maxlength: "2000", "aria-label": t("chat.input"), placeholder: t("chat.input") });
  const send = h("button", { type: "submit", class: "composer-send", text: t("chat.send") });
  const foot = h("form", { class: "composer" }, input, send);
  const path = `phone/chats/${part(userid)}/${part(externalUserid)}`;
  const known = new Map();
  const whom = side === "customer" ? { external_userid: externalUserid } : { userid };
  let chat = null;
  let welcomeTook = 0;
  let welcomeSeen = false;
  let settled = 0;
  let startedAt = scannedAt;
  let stood = "";
  let overdue = false;
  if (startedAt)
    setTimeout(() => {
      overdue = true;
      if (chat) drawMessages(false);
    }, PATIENCE_MS);

  const load = loader(() => get(path), draw, (error) => {
    if (error.code === "not_found") phone.open(phone.tab);
    else report(error);
  });

  function draw(answer) {
    chat = answer;
    const newest = known.size ? Math.max(...known.keys()) : 0;
    const page = answer.messages;
    if (newest && answer.more && page.length && page[0].seq > newest) known.clear(); // a gap: begin anew
    const fresh = page.filter((message) => !known.has(message.seq));
    for (const message of page) known.set(message.seq, message);
    if (known.size === page.length) older.hidden = !answer.more;
    if (startedAt && fresh.some((message) => message.origin === "welcome")) {
      welcomeTook = (performance.now() - startedAt) / 1000;
      startedAt = 0;
    }
    drawTitle();
    drawMessages(fresh.length > 0);
    drawComposer();
  }

  function drawTitle() {
    const { staff, customer, company } = chat;
    const remark = chat.follow?.remark || customer.name;
    const other = side === "customer" ? [nameOf(staff.name), h("span", { class: "at-company", text: `@${company}` })] : [nameOf(remark), h("span", { class: customer.type === 2 ? "at-company" : "at-wechat", text: customer.type === 2 ? `@${customer.corp_name}` : t("contact.wechat") })];
    title.replaceChildren(...other);
  }

  function drawMessages(grown) {
    const atEnd = body.scrollHeight - body.scrollTop - body.clientHeight < 80;
    const items = [];
    let last = 0;
    const me = side === "customer" ? "customer" : "staff";
    const messages = [...known.values()].sort((a, b) => a.seq - b.seq);
    const firstWelcome = messages.find((message) => message.origin === "welcome");
    for (const message of messages) {
      if (message.at - last > PAUSE_SECONDS) items.push(line(chatTime(message.at, session.now()), "message-time"));
      last = message.at;
      if (message.origin === "notice") items.push(line(t("chat.became")));
      else {
        if (message === firstWelcome && welcomeTook) items.push(line(t("chat.took", { duration: duration(welcomeTook) }), "message-took"));
        items.push(row(message, sender(message), message.sender === me, whom));
      }
    }
    if (overdue && startedAt) items.push(line(t("chat.no_welcome"), "message-standing"));
    const standing = standingWords();
    const moved = standing !== stood;
    stood = standing;
    if (standing) items.push(line(standing, "message-standing"));
    // Messages that stand there already stay as they are: a playing video plays on.
    const there = new Map([...list.children].filter((item) => item.dataset.seq).map((item) => [item.dataset.seq, item]));
    list.replaceChildren(...items.map((item) => there.get(item.dataset.seq) ?? item));
    if (!grown && !moved) return;
    if (welcomeTook && !welcomeSeen) showWelcome();
    else if (atEnd) toEnd();
  }

  /** A long welcome is read from its beginning. */
  function showWelcome() {
    const took = list.querySelector(".message-took");
    body.scrollTop = took ? took.offsetTop - 16 : body.scrollHeight;
    // The cards may come one by one: all of one welcome is read so.
    clearTimeout(settled);
    settled = setTimeout(() => (welcomeSeen = true), 1500);
  }

  function toEnd() {
    body.scrollTop = body.scrollHeight;
    for (const picture of list.querySelectorAll("img")) picture.addEventListener("load", () => (body.scrollTop = body.scrollHeight), { once: true });
  }

  function sender(message) {
    return message.sender === "customer"
      ? { name: chat.customer.name, key: externalUserid, kind: "" }
      : { name: chat.staff.name, key: userid, kind: "avatar-staff" };
  }

  function standingWords() {
    const friendship = chat.follow?.friendship ?? "gone";
    const key = `standing.${side}.${friendship}`;
    return friendship === "mutual" ? "" : t(key, { name: side === "customer" ? chat.staff.name : chat.customer.name });
  }

  function drawComposer() {
    const open = ["mutual", "half"].includes(chat.follow?.friendship);
    input.disabled = send.disabled = !open;
  }

  older.addEventListener("click", async () => {
    try {
      const before = Math.min(...known.keys());
      const answer = await get(path, { before });
      const height = body.scrollHeight;
      for (const message of answer.messages) known.set(message.seq, message);
      older.hidden = !answer.more;
      drawMessages(false);
      body.scrollTop += body.scrollHeight - height;
    } catch (error) {
      report(error);
    }
  });

  foot.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (!text) return;
    input.value = "";
    try {
      await post("write", { userid, external_userid: externalUserid, sender: side, text });
      await load();
      toEnd();
    } catch (error) {
      input.value = text;
      report(error);
    }
  });

  const leave = h("button", { type: "button", class: "nav-button", "aria-label": t("contact.delete") }, icon("more"));
  leave.addEventListener("click", () => {
    if (openProfile) openProfile();
    else
      phone.ask(t("contact.delete.staff", { name: chat?.staff.name ?? "" }), t("contact.delete"), async () => {
        try {
          await post("delete_by_customer", { userid, external_userid: externalUserid });
          load();
        } catch (error) {
          report(error);
        }
      });
  });
  if (openProfile) leave.setAttribute("aria-label", t("contact.card"));

  const sidebar = h("button", { type: "button", class: "nav-text nav-sidebar", text: t("panel.sidebar") });
  sidebar.addEventListener("click", () =>
    phone.push(panelScreen({ userid, kind: "sidebar", beside: { entry: "single_chat_tools", external_userid: externalUserid } })),
  );

  const again = calm(load, 150);
  return {
    title,
    body,
    foot,
    actions: side === "staff" ? [sidebar, leave] : [leave],
    shown: () => {
      body.scrollTop = body.scrollHeight;
    },
    refresh(change) {
      if (!change || change.kind === "world.reset") load();
      else if (change.userid === userid && (change.external_userid === externalUserid || change.kind === "group_send.confirmed")) again();
    },
  };
}
