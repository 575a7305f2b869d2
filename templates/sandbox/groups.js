// A customer group, seen by a customer in it or by the member who owns it, and what it greets newcomers with.

import { get, part, post } from "./api.js";
import { contentOf, row, summary } from "./bubbles.js";
import { avatar, calm, h, icon, nameOf } from "./dom.js";
import { panelScreen } from "./panel.js";
import { loader } from "./phone.js";
import { chatTime, t } from "./texts.js";
import { report } from "./toast.js";

/** `customer`: whose phone it is, and may leave; empty: the owner's, who chooses the welcome. */
export function groupScreen({ phone, session, chatId, customer = "" }) {
  const title = h("span", { class: "nav-name" });
  const head = h("div", {});
  const choice = h("section", { class: "block", hidden: Boolean(customer) });
  const list = h("ol", { class: "messages", "aria-live": "polite", "aria-relevant": "additions" });
  const body = h("div", { class: "screen group", tabindex: "0" }, choice, head, list);
  const load = loader(() => get(`phone/groups/${part(chatId)}`), draw, (error) => {
    if (error.code === "not_found") phone.open(phone.tab);
    else report(error);
  });

  function draw({ group, messages, welcome }) {
    title.replaceChildren(nameOf(group.name), h("span", { class: "nav-count", text: `(${group.members.length})` }));
    const shown = group.members.slice(0, 40);
    head.replaceChildren(
      group.notice ? h("p", { class: "group-notice" }, icon("bell"), h("span", { dir: "auto", text: group.notice })) : "",
      h("ul", { class: "group-members" }, ...shown.map((member) => h("li", {}, avatar(member.name || member.userid, member.userid, member.type === 1 ? "avatar-staff" : ""), nameOf(member.name || member.userid)))),
      h("p", { class: "group-note", text: t("group.since", { time: chatTime(group.create_time, session.now()) }) }),
    );
    if (!customer) drawChoice(welcome);
    const mine = (message) => !customer && message.userid === session.userid;
    const whom = customer ? { external_userid: customer } : { userid: session.userid };
    list.replaceChildren(...messages.map((message) => row(message, { name: message.name, key: message.userid, kind: "avatar-staff" }, mine(message), whom)));
  }

  function drawChoice(welcome) {
    const change = h("button", { type: "button", class: "small", text: t("group.welcome.choose") });
    change.addEventListener("click", () => phone.push(chooseScreen(phone, chatId, welcome?.template_id ?? "")));
    choice.replaceChildren(
      h("div", { class: "block-head" }, h("h4", { text: t("group.welcome") }), change),
      welcome ? contents(welcome) : h("p", { class: "nothing", text: t("group.welcome.none") }),
    );
  }

  const leave = h("button", { type: "button", class: "nav-button", "aria-label": t("group.leave") }, icon("more"));
  leave.addEventListener("click", () =>
    phone.ask(t("group.leave.sure"), t("group.leave"), async () => {
      try {
        await post("groups/leave", { chat_id: chatId, people: [customer] });
        phone.open("chats");
      } catch (error) {
        report(error);
      }
    }),
  );
  const sidebar = h("button", { type: "button", class: "nav-text nav-sidebar", text: t("panel.sidebar") });
  sidebar.addEventListener("click", () =>
    phone.push(panelScreen({ userid: session.userid, kind: "sidebar", beside: { entry: "group_chat_tools", chat_id: chatId } })),
  );
  const again = calm(load, 300);
  return {
    title,
    body,
    actions: customer ? [leave] : [sidebar],
    refresh(change) {
      if (!change || change.chat_id === chatId || ["group_send.confirmed", "group_welcomes.changed", "world.reset"].includes(change.kind)) again();
    },
  };
}

/** The groups that the member owns. */
export function ownedScreen(phone, session) {
  const userid = session.userid;
  const list = h("ul", { class: "rows" });
  const load = loader(() => get(`phone/staff/${part(userid)}/groups`), draw, report);

  function draw({ groups }) {
    list.replaceChildren(...groups.map(groupRow));
    if (!groups.length) list.append(h("li", { class: "nothing", text: t("staff.no_groups") }));
  }

  function groupRow(group) {
    const greets = group.welcome ? t("group.greets", { words: summary(group.welcome.messages[0]) }) : t("group.welcome.none");
    const open = h(
      "button",
      { type: "button", class: "row", "data-chat": group.chat_id },
      h("span", { class: "avatar avatar-group", "aria-hidden": "true" }, icon("people")),
      h("span", { class: "row-words" }, h("span", { class: "row-top" }, nameOf(group.name, "row-name"), h("span", { class: "row-time", text: t("group.members", { n: group.members }) })), h("span", { class: "row-note", dir: "auto", text: greets })),
    );
    open.addEventListener("click", () => phone.push(groupScreen({ phone, session, chatId: group.chat_id })));
    return h("li", {}, open);
  }

  const again = calm(load, 300);
  return {
    title: t("staff.groups"),
    body: h("div", { class: "screen" }, list),
    refresh: (change) => (!change || ["group.changed", "group_welcomes.changed", "world.reset"].includes(change.kind)) && again(),
  };
}

/** The company's group welcomes, one of which the owner has the group greet with. */
function chooseScreen(phone, chatId, chosen) {
  const list = h("div", {});
  const load = loader(() => get("phone/group_welcomes"), draw, report);

  function draw({ welcomes }) {
    list.replaceChildren(...welcomes.map((welcome) => option(welcome.template_id, contents(welcome))));
    if (welcomes.length) list.append(option("", h("p", { text: t("group.welcome.nothing") })));
    else list.append(h("p", { class: "nothing", text: t("group.welcome.empty") }));
  }

  function option(templateId, words) {
    const isChosen = templateId === chosen;
    const pick = h("button", { type: "button", class: isChosen ? "secondary" : "primary", disabled: isChosen, text: t(isChosen ? "group.welcome.in_use" : "group.welcome.use") });
    pick.addEventListener("click", async () => {
      pick.disabled = true;
      try {
        await post("groups/welcome", { chat_id: chatId, template_id: templateId });
        phone.pop();
      } catch (error) {
        pick.disabled = false;
        report(error);
      }
    });
    return h("section", { class: "block", "data-template": templateId }, words, pick);
  }

  const again = calm(load, 300);
  return {
    title: t("group.welcome"),
    body: h("div", { class: "screen" }, h("p", { class: "lead", text: t("group.welcome.lead") }), list),
    refresh: (change) => (!change || ["group_welcomes.changed", "world.reset"].includes(change.kind)) && again(),
  };
}

function contents(welcome) {
  return h("div", { class: "task-content" }, ...welcome.messages.map((message) => h("div", { "data-type": message.msgtype }, contentOf(message))));
}
