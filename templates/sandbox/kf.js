// WeChat customer service: the customer's chat with an account, and the servicer's pool and sessions.

import { get, part, post } from "./api.js";
import { line, row, summary } from "./bubbles.js";
import { avatar, calm, h, icon, nameOf } from "./dom.js";
import { loader } from "./phone.js";
import { chatTime, shortTime, t } from "./texts.js";
import { report } from "./toast.js";

const PAUSE_SECONDS = 300;
const CUSTOMER = 3;
const HUMAN = 3;
const ENDED = 4;

/** The accounts that a customer can enter, as lines of the list of chats. `open(account)` shows one. */
export function accountRows(accounts, session, open) {
  return accounts.map((account) => {
    const button = h(
      "button",
      { type: "button", class: "row", "data-kf": account.open_kfid },
      h("span", { class: "avatar avatar-group", "aria-hidden": "true" }, icon("chat")),
      h(
        "span",
        { class: "row-words" },
        h("span", { class: "row-top" }, nameOf(account.name, "row-name"), h("span", { class: "row-time", text: account.last ? shortTime(account.last.at, session.now()) : "" })),
        h("span", { class: "row-note", dir: "auto", text: account.last ? summary(account.last) : t("kf.ask") }),
      ),
    );
    button.addEventListener("click", () => open(account));
    return h("li", {}, button);
  });
}

/** The customer's chat with an account: opening it is an event of its own. */
export function customerKfScreen({ session, openKfid }) {
  const externalUserid = session.customer;
  let entered = false;
  return chat({
    session,
    side: "customer",
    openKfid,
    externalUserid,
    async enter() {
      if (entered) return;
      entered = true;
      await post("kf/enter", { open_kfid: openKfid, external_userid: externalUserid, scene: "phone" });
    },
    send: (text) => post("kf/write", { open_kfid: openKfid, external_userid: externalUserid, text }),
    actions(load) {
      const picture = h("button", { type: "button", class: "nav-button", "aria-label": t("kf.picture") }, icon("picture"));
      picture.addEventListener("click", async () => {
        try {
          await post("kf/write", { open_kfid: openKfid, external_userid: externalUserid, msgtype: "image" });
          load();
        } catch (error) {
          report(error);
        }
      });
      return [picture];
    },
  });
}

/** The servicer's list: who waits, whom one serves, what ended. */
export function poolScreen(phone, session) {
  const body = h("div", { class: "screen" });
  const userid = session.userid;
  const load = loader(() => get(`phone/staff/${part(userid)}/kf`), draw, report);

  function draw({ accounts, pool, mine, ended }) {
    if (!accounts.length) {
      body.replaceChildren(h("p", { class: "nothing", text: t("kf.no_servicer") }));
      return;
    }
    body.replaceChildren(
      ...accounts.map(receiving),
      ...section("pool", pool),
      ...section("mine", mine),
      ...section("ended", ended),
      pool.length + mine.length + ended.length ? "" : h("p", { class: "nothing", text: t("kf.none") }),
    );
  }

  function receiving(account) {
    const on = account.receiving;
    const button = h("button", { type: "button", class: "small", text: t(on ? "kf.stop" : "kf.receive") });
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        await post("kf/receiving", { open_kfid: account.open_kfid, userid, receiving: !on });
        load();
      } catch (error) {
        button.disabled = false;
        report(error);
      }
    });
    return h("div", { class: "row kf-account" }, h("span", { class: "row-words" }, h("span", { class: "row-top" }, nameOf(account.name, "row-name")), h("span", { class: "row-note", text: t(on ? "kf.receiving" : "kf.stopped") })), button);
  }

  function section(name, sessions) {
    if (!sessions.length) return [];
    return [h("h4", { class: "rows-title", text: t(`kf.list.${name}`, { n: sessions.length }) }), h("ul", { class: "rows" }, ...sessions.map((one) => item(name, one)))];
  }

  function item(name, one) {
    const open = h(
      "button",
      { type: "button", class: "row", "data-external": one.customer.external_userid },
      avatar(one.customer.name, one.customer.external_userid),
      h(
        "span",
        { class: "row-words" },
        h("span", { class: "row-top" }, nameOf(one.customer.name, "row-name"), h("span", { class: "row-time", text: shortTime(one.asked_at, session.now()) })),
        h("span", { class: "row-note", dir: "auto", text: `${summary(one.last)}` }),
      ),
    );
    open.addEventListener("click", () => phone.push(servicerScreen(phone, session, one)));
    return h("li", { "data-list": name }, open);
  }

  const again = calm(load, 300);
  return {
    title: h("span", { class: "nav-name" }, t("staff.kf")),
    body,
    refresh(change) {
      if (!change || change.kind === "kf.changed" || change.kind === "world.reset") again();
    },
  };
}

/** One session on the servicer's phone. */
function servicerScreen(phone, session, { open_kfid: openKfid, customer }) {
  const userid = session.userid;
  const externalUserid = customer.external_userid;
  const whom = { userid, open_kfid: openKfid, external_userid: externalUserid };
  return chat({
    session,
    side: "staff",
    openKfid,
    externalUserid,
    send: (text) => post("kf/reply", { ...whom, text }),
    bar(answer, load) {
      const button = (label, act) => {
        const one = h("button", { type: "button", class: "small", text: label });
        one.addEventListener("click", async () => {
          one.disabled = true;
          try {
            await act();
            load();
          } catch (error) {
            one.disabled = false;
            report(error);
          }
        });
        return one;
      };
      if (answer.state === 2) return [button(t("kf.pick_up"), () => post("kf/pick_up", whom))];
      if (answer.state !== HUMAN || answer.servicer_userid !== userid) return [];
      const others = answer.servicers.filter((one) => one.userid !== userid);
      const choice = h("select", { class: "field kf-others", "aria-label": t("kf.transfer.to") }, ...others.map((one) => h("option", { value: one.userid, text: one.name })));
      const hand = others.length ? [choice, button(t("kf.transfer"), () => post("kf/transfer", { ...whom, to: choice.value }))] : [];
      return [...hand, button(t("kf.end"), () => post("kf/end", whom))];
    },
  });
}

/** A chat of customer service, seen from either phone. */
function chat({ session, side, openKfid, externalUserid, send, enter = null, actions = null, bar = null }) {
  const title = h("span", { class: "nav-name" });
  const list = h("ol", { class: "messages", "aria-live": "polite", "aria-relevant": "additions" });
  const older = h("button", { type: "button", class: "more-button", hidden: true, text: t("chat.older") });
  const buttons = h("div", { class: "kf-bar", hidden: true });
  const scroll = h("div", { class: "screen chat", tabindex: "0" }, older, list);
  const body = h("div", { class: "kf-chat" }, buttons, scroll);
  const input = h("input", { type: "text", class: "composer-input", name: "text", autocomplete: "off", maxlength: "1000", "aria-label": t("chat.input"), placeholder: t("chat.input") });
  const submit = h("button", { type: "submit", class: "composer-send", text: t("chat.send") });
  const foot = h("form", { class: "composer" }, input, submit);
  const path = `phone/kf/${part(openKfid)}/${part(externalUserid)}`;
  const known = new Map();
  let answer = null;
  let stood = -1;
  const load = loader(() => get(path), draw, report);

  function draw(found) {
    answer = found;
    const before = known.size;
    for (const message of found.messages) known.set(message.seq, message);
    older.hidden = !found.more || known.size > found.messages.length;
    title.replaceChildren(side === "customer" ? nameOf(found.account.name) : nameOf(found.customer.name));
    drawMessages(known.size !== before || stood !== found.state);
    stood = found.state;
    const closed = side === "staff" && ![HUMAN, ENDED].includes(found.state);
    input.disabled = submit.disabled = closed;
    const made = bar ? bar(found, load) : [];
    buttons.replaceChildren(...made);
    buttons.hidden = !made.length;
  }

  function drawMessages(grown) {
    const items = [];
    let last = 0;
    for (const message of [...known.values()].sort((a, b) => a.seq - b.seq)) {
      if (message.at - last > PAUSE_SECONDS) items.push(line(chatTime(message.at, session.now()), "message-time"));
      last = message.at;
      if (message.msgtype === "event") items.push(line(t(`kf.event.${message.content.change_type}`, { name: message.name })));
      else if (message.recalled) items.push(line(t("kf.recalled")));
      else items.push(bubble(message));
    }
    if (answer.state === 2) items.push(line(t("kf.waiting"), "message-standing"));
    list.replaceChildren(...items);
    if (grown) toEnd();
  }

  function bubble(message) {
    const mine = (message.origin === CUSTOMER) === (side === "customer");
    const who =
      message.origin === CUSTOMER
        ? { name: answer.customer.name, key: externalUserid, kind: "" }
        : { name: answer.account.name, key: message.servicer_userid || openKfid, kind: "avatar-staff" };
    const shown = side === "customer" && message.msgtype === "msgmenu" ? { ...message, onMenu: (id) => click(message, id) } : message;
    return row(shown, who, mine, side === "customer" ? { external_userid: externalUserid } : { userid: session.userid });
  }

  async function click(message, id) {
    try {
      await post("kf/click", { open_kfid: openKfid, external_userid: externalUserid, msgid: message.msgid, id });
      load();
    } catch (error) {
      report(error);
    }
  }

  function toEnd() {
    scroll.scrollTop = scroll.scrollHeight;
  }

  older.addEventListener("click", async () => {
    try {
      const found = await get(path, { before: Math.min(...known.keys()) });
      for (const message of found.messages) known.set(message.seq, message);
      older.hidden = !found.more;
      drawMessages(false);
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
      await send(text);
      await load();
      toEnd();
    } catch (error) {
      input.value = text;
      report(error);
    }
  });

  const again = calm(load, 150);
  return {
    title,
    body,
    foot,
    actions: actions ? actions(load) : [],
    shown: toEnd,
    refresh(change) {
      if (!change) Promise.resolve(enter?.()).then(load, report);
      else if (change.kind === "world.reset") load();
      else if (change.kind === "kf.changed" && change.open_kfid === openKfid && change.external_userid === externalUserid) again();
    },
  };
}
