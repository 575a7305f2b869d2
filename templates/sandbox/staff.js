// The staff member's phone: WeCom.

import { get, part, post } from "./api.js";
import { summary } from "./bubbles.js";
import { chatScreen } from "./chat.js";
import { avatar, calm, h, nameOf } from "./dom.js";
import { tasksScreen } from "./group_sends.js";
import { ownedScreen } from "./groups.js";
import { inboxScreen } from "./notices.js";
import { poolScreen } from "./kf.js";
import { staffPicker } from "./people.js";
import { panelScreen } from "./panel.js";
import { Phone, loader } from "./phone.js";
import { profileScreen } from "./profile.js";
import { shortTime, t } from "./texts.js";
import { report } from "./toast.js";

export function staffPhone(root, session) {
  const phone = new Phone(root, [
    { key: "customers", icon: "people", label: () => t("staff.customers"), make: customers },
    { key: "inbox", icon: "bell", label: () => t("staff.inbox"), make: () => inboxScreen(session) },
    { key: "group_sends", icon: "horn", label: () => t("staff.group_sends"), make: () => tasksScreen(phone, session) },
    { key: "kf", icon: "chat", label: () => t("staff.kf"), make: () => poolScreen(phone, session) },
    { key: "people", icon: "switch", label: () => t("staff.people"), make: () => staffPicker(session, () => phone.open("customers")) },
  ]);

  /** The customer's card, on top of the list. */
  function openProfile(externalUserid) {
    phone.openWith("customers", profile(externalUserid));
  }

  function profile(externalUserid) {
    return profileScreen({ phone, session, userid: session.userid, externalUserid, openChat: () => phone.push(chat(externalUserid)) });
  }

  function chat(externalUserid) {
    return chatScreen({ phone, session, side: "staff", userid: session.userid, externalUserid, openProfile: () => openProfile(externalUserid) });
  }

  function customers() {
    const title = h("span", { class: "nav-name" }, nameOf(session.staffName));
    const waiting = h("ul", { class: "rows rows-waiting" });
    const list = h("ul", { class: "rows" });
    const more = h("button", { type: "button", class: "more-button", text: t("list.more"), hidden: true });
    const body = h("div", { class: "screen" }, waiting, list, more);
    const path = `phone/staff/${part(session.userid)}/customers`;
    let offset = 0;
    const load = loader(() => get(path), draw, report);

    function draw(answer) {
      title.replaceChildren(nameOf(session.staffName));
      waiting.replaceChildren(...answer.waiting.map(waitingRow));
      list.replaceChildren(...answer.customers.map(row));
      if (!answer.customers.length && !answer.waiting.length) list.append(h("li", { class: "nothing", text: t("staff.none") }));
      offset = answer.customers.length;
      more.hidden = !answer.more;
    }

    more.addEventListener("click", async () => {
      try {
        const answer = await get(path, { offset });
        offset += answer.customers.length;
        list.append(...answer.customers.map(row));
        more.hidden = !answer.more;
      } catch (error) {
        report(error);
      }
    });

    function row({ customer, follow, last }) {
      const tags = follow.tags.map((tag) => tag.tag_name).join(" · ");
      const open = h(
        "button",
        { type: "button", class: "row", "data-external": customer.external_userid },
        avatar(customer.name, customer.external_userid),
        h(
          "span",
          { class: "row-words" },
          h("span", { class: "row-top" }, nameOf(follow.remark || customer.name, "row-name"), at(customer), h("span", { class: "row-time", text: shortTime(follow.createtime, session.now()) })),
          h("span", { class: follow.friendship === "left" ? "row-note row-lost" : "row-note", dir: "auto", text: follow.friendship === "left" ? t("staff.left") : tags || summary(last) || t("staff.no_tags") }),
        ),
      );
      open.addEventListener("click", () => phone.push(profile(customer.external_userid)));
      return h("li", {}, open);
    }

    function waitingRow({ customer, follow }) {
      const confirm = h("button", { type: "button", class: "confirm", text: t(`staff.confirm.${follow.friendship}`) });
      confirm.addEventListener("click", async () => {
        confirm.disabled = true;
        try {
          await post("confirm", { userid: session.userid, external_userid: customer.external_userid });
          openProfile(customer.external_userid);
        } catch (error) {
          confirm.disabled = false;
          report(error);
        }
      });
      return h(
        "li",
        { class: "row", "data-external": customer.external_userid },
        avatar(customer.name, customer.external_userid),
        h("span", { class: "row-words" }, h("span", { class: "row-top" }, nameOf(customer.name, "row-name"), at(customer)), h("span", { class: "row-note", text: t(`standing.staff.${follow.friendship}`, { name: customer.name }) })),
        confirm,
      );
    }

    const groups = h("button", { type: "button", class: "nav-text", text: t("staff.groups") });
    groups.addEventListener("click", () => phone.push(ownedScreen(phone, session)));
    const again = calm(load, 300);
    const userid = session.userid;
    const today = h("button", { type: "button", class: "nav-text nav-today", text: t("staff.today") });
    today.addEventListener("click", () => phone.push(panelScreen({ userid, kind: "today", beside: { entry: "normal" }, openChat: (id) => phone.push(chat(id)) })));
    return {
      title,
      body,
      actions: [today, groups],
      refresh(change) {
        if (!change || (change.userid === userid && change.kind !== "app_message.sent") || ["tags.changed", "world.reset"].includes(change.kind)) again();
      },
    };
  }

  return { phone, openProfile };
}

function at(customer) {
  return customer.type === 2 ? h("span", { class: "at-company", text: `@${customer.corp_name}` }) : h("span", { class: "at-wechat", text: t("contact.wechat") });
}
