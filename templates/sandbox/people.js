// Whose phone it is: choosing a customer, choosing a member of staff.

import { get } from "./api.js";
import { avatar, calm, h, nameOf } from "./dom.js";
import { loader } from "./phone.js";
import { t } from "./texts.js";
import { report } from "./toast.js";

/** The newest customers, and a way to be somebody new. */
export function customerPicker(session, onChosen) {
  const list = h("ul", { class: "rows" });
  const body = h("div", { class: "screen" }, h("p", { class: "lead", text: t("people.customer.lead") }), list);
  const load = loader(() => get("customers", { limit: 40 }), draw, report);

  function draw({ customers }) {
    list.replaceChildren(...customers.map(row));
    if (!customers.length) list.append(h("li", { class: "nothing", text: t("people.customer.none") }));
  }

  function row(customer) {
    const current = customer.external_userid === session.customer;
    const button = h(
      "button",
      { type: "button", class: "row", "aria-pressed": current ? "true" : "false" },
      avatar(customer.name, customer.external_userid),
      h("span", { class: "row-words" }, nameOf(customer.name, "row-name"), h("span", { class: "row-note", text: customer.type === 2 ? `@${customer.corp_name}` : t("contact.wechat.user") })),
    );
    button.addEventListener("click", () => {
      session.setCustomer(customer.external_userid, customer.name);
      onChosen();
    });
    return h("li", {}, button);
  }

  return { title: t("people.customer.title"), body, refresh: (change) => (!change || change.kind === "world.reset") && load() };
}

/** The staff, with a search when there are many. */
export function staffPicker(session, onChosen) {
  const search = h("input", { type: "search", class: "field", "aria-label": t("people.staff.search"), placeholder: t("people.staff.search") });
  const list = h("ul", { class: "rows" });
  const more = h("button", { type: "button", class: "more-button", text: t("list.more"), hidden: true });
  const body = h("div", { class: "screen" }, h("p", { class: "lead", text: t("people.staff.lead") }), h("div", { class: "search" }, search), list, more);
  let offset = 0;
  const load = loader(() => get("phone/staff", { q: search.value.trim(), limit: 50 }), draw, report);

  function draw(answer) {
    offset = answer.staff.length;
    list.replaceChildren(...answer.staff.map(row));
    if (!answer.staff.length) list.append(h("li", { class: "nothing", text: t("people.staff.none") }));
    more.hidden = !answer.more;
  }

  more.addEventListener("click", async () => {
    try {
      const answer = await get("phone/staff", { q: search.value.trim(), offset, limit: 50 });
      offset += answer.staff.length;
      list.append(...answer.staff.map(row));
      more.hidden = !answer.more;
    } catch (error) {
      report(error);
    }
  });
  search.addEventListener("input", calm(load, 250));

  function row(member) {
    const note = [...member.departments, member.position].filter(Boolean).join(" · ");
    const button = h(
      "button",
      { type: "button", class: "row", "aria-pressed": member.userid === session.userid ? "true" : "false", "data-userid": member.userid },
      avatar(member.name, member.userid, "avatar-staff"),
      h("span", { class: "row-words" }, nameOf(member.name, "row-name"), h("span", { class: "row-note", text: note })),
    );
    button.addEventListener("click", () => {
      session.setStaff(member.userid, member.name);
      onChosen();
    });
    return h("li", {}, button);
  }

  return {
    title: t("people.staff.title"),
    body,
    refresh: (change) => (!change || ["member.changed", "world.reset"].includes(change.kind)) && load(),
  };
}
