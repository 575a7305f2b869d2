// The customer's phone: WeChat.

import { get, part, post } from "./api.js";
import { summary } from "./bubbles.js";
import { chatScreen } from "./chat.js";
import { avatar, calm, h, icon, nameOf } from "./dom.js";
import { groupScreen } from "./groups.js";
import { accountRows, customerKfScreen } from "./kf.js";
import { feedScreen } from "./moments.js";
import { customerPicker } from "./people.js";
import { Phone, loader } from "./phone.js";
import { scanScreen } from "./scan.js";
import { shortTime, t } from "./texts.js";
import { report } from "./toast.js";

/** Builds the phone. `session`: who plays; `onAdded(answer)`: a scan made a contact. */
export function customerPhone(root, session, onAdded) {
  const phone = new Phone(root, [
    { key: "chats", icon: "chat", label: () => t("customer.chats"), make: chats },
    { key: "scan", icon: "scan", label: () => t("customer.scan"), make: () => scan() },
    { key: "moments", icon: "picture", label: () => t("customer.moments"), make: () => feedScreen(session) },
    { key: "people", icon: "person", label: () => t("customer.people"), make: people },
  ]);

  function openChat(userid, scannedAt = 0) {
    phone.openWith("chats", chatScreen({ phone, session, side: "customer", userid, externalUserid: session.customer, scannedAt }));
  }

  function scan(wanted = "", channel = "") {
    return scanScreen({
      session,
      wanted,
      channel,
      onAdded(answer, startedAt) {
        session.setCustomer(answer.external_userid, answer.customer.name);
        onAdded(answer);
        // A request waits for a person: nothing to measure.
        openChat(answer.userid, answer.outcome === "requested" ? 0 : startedAt);
      },
      onJoined: (chatId) => phone.openWith("chats", groupOf(chatId)),
    });
  }

  function people() {
    return customerPicker(session, () => phone.open("chats"));
  }

  function chats() {
    const list = h("ul", { class: "rows" });
    const body = h("div", { class: "screen" }, list);
    const title = h("span", {});
    const load = loader(readChats, draw, (error) => {
      if (error.code !== "not_found") return report(error);
      session.setCustomer("", "");
      return draw(null);
    });

    async function readChats() {
      if (!session.customer) return null;
      const path = `phone/customers/${part(session.customer)}`;
      const [answer, { accounts }] = await Promise.all([get(path), get(`${path}/kf`)]);
      return { ...answer, accounts };
    }

    function draw(answer) {
      if (!answer) {
        title.replaceChildren(t("customer.nobody"));
        list.replaceChildren(empty(t("customer.start"), () => phone.open("scan")));
        return;
      }
      session.setCustomer(session.customer, answer.customer.name);
      title.replaceChildren(nameOf(answer.customer.name));
      const rows = answer.chats.map((chat) => chatRow(chat, answer.company));
      list.replaceChildren(...rows, ...answer.groups.map(groupRow));
      if (!list.children.length) list.append(empty(t("customer.no_chats"), () => phone.open("scan")));
      list.append(...accountRows(answer.accounts, session, (account) => phone.openWith("chats", customerKfScreen({ session, openKfid: account.open_kfid }))));
    }

    function chatRow(chat, company) {
      const open = h(
        "button",
        { type: "button", class: "row", "data-userid": chat.staff.userid },
        avatar(chat.staff.name, chat.staff.userid, "avatar-staff"),
        h(
          "span",
          { class: "row-words" },
          h("span", { class: "row-top" }, nameOf(chat.staff.name, "row-name"), h("span", { class: "at-company", text: `@${company}` }), h("span", { class: "row-time", text: chat.last ? shortTime(chat.last.at, session.now()) : "" })),
          h("span", { class: "row-note", dir: "auto", text: chat.friendship === "mutual" ? summary(chat.last) : t(`standing.customer.${chat.friendship}`, { name: chat.staff.name }) }),
        ),
      );
      open.addEventListener("click", () => openChat(chat.staff.userid));
      return h("li", {}, open);
    }

    function groupRow(group) {
      const open = h(
        "button",
        { type: "button", class: "row", "data-chat": group.chat_id },
        h("span", { class: "avatar avatar-group", "aria-hidden": "true" }, icon("people")),
        h("span", { class: "row-words" }, h("span", { class: "row-top" }, nameOf(group.name, "row-name")), h("span", { class: "row-note", text: group.notice || t("group.members", { n: group.members }) })),
      );
      open.addEventListener("click", () => phone.openWith("chats", groupOf(group.chat_id)));
      return h("li", {}, open);
    }

    const again = calm(load, 200);
    return {
      title,
      body,
      refresh(change) {
        if (!change || change.external_userid === session.customer || ["group.changed", "group_send.confirmed", "world.reset"].includes(change.kind)) again();
      },
    };
  }

  function groupOf(chatId) {
    return groupScreen({ phone, session, chatId, customer: session.customer });
  }

  return {
    phone,
    openChat,
    offer: (configId, channel = "") => {
      phone.open("scan");
      phone.stack = [scan(configId, channel)];
      phone.push(phone.stack.pop());
    },
  };
}

function empty(words, act) {
  const button = h("button", { type: "button", class: "primary", text: t("customer.scan") });
  button.addEventListener("click", act);
  return h("li", { class: "empty" }, h("p", { text: words }), button);
}
