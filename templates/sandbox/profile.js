// The customer's card on the staff member's phone: remark, tags, where the customer came from.

import { get, part, post } from "./api.js";
import { avatar, calm, h, icon, nameOf } from "./dom.js";
import { loader } from "./phone.js";
import { fullTime, known, t } from "./texts.js";
import { report, toast } from "./toast.js";

export function profileScreen({ phone, session, userid, externalUserid, openChat }) {
  const pair = { userid, external_userid: externalUserid };
  const path = `phone/chats/${part(userid)}/${part(externalUserid)}`;
  const head = h("div", { class: "profile-head" });
  const remark = h("input", { type: "text", class: "field", id: "profile-remark", maxlength: "20", autocomplete: "off" });
  const saveRemark = h("button", { type: "submit", class: "small", text: t("profile.save"), hidden: true });
  const remarkForm = h("form", { class: "profile-line" }, h("label", { for: "profile-remark", text: t("profile.remark") }), remark, saveRemark);
  const tags = h("div", { class: "profile-tags" });
  const facts = h("dl", { class: "facts" });
  const buttons = h("div", { class: "profile-buttons" });
  const body = h(
    "div",
    { class: "screen profile" },
    head,
    h("section", { class: "block" }, remarkForm),
    h("section", { class: "block", "aria-label": t("profile.tags") }, tags),
    h("section", { class: "block" }, facts),
    buttons,
  );
  // Tags that came while somebody watched and that were not put on here: the bot's.
  let seen = null;
  const byBot = new Set();
  const byHand = new Set();
  let current = null;

  const load = loader(() => get(path, { limit: 1 }), draw, (error) => {
    if (error.code === "not_found") phone.open(phone.tab);
    else report(error);
  });

  function draw(answer) {
    current = answer;
    const follow = answer.follow;
    const now = new Set((follow?.tags ?? []).map((tag) => tag.tag_id).filter(Boolean));
    const justAdded = session.added === `${userid}|${externalUserid}`;
    for (const id of now) if ((seen ? !seen.has(id) : justAdded) && !byHand.has(id)) byBot.add(id);
    seen = now;
    drawHead(answer);
    if (document.activeElement !== remark) remark.value = follow?.remark ?? "";
    saveRemark.hidden = document.activeElement !== remark;
    const usable = ["mutual", "left"].includes(follow?.friendship);
    remark.disabled = !usable;
    drawTags(follow, usable);
    drawFacts(follow);
    drawButtons(follow);
  }

  function drawHead({ customer, follow }) {
    const standing = follow?.friendship ?? "gone";
    const shown = follow?.remark || customer.name;
    head.replaceChildren(
      avatar(customer.name, externalUserid, "avatar-large"),
      h(
        "div",
        { class: "profile-words" },
        h("p", { class: "profile-name" }, nameOf(shown), h("span", { class: customer.type === 2 ? "at-company" : "at-wechat", text: customer.type === 2 ? `@${customer.corp_name}` : t("contact.wechat") })),
        shown === customer.name ? "" : h("p", { class: "profile-note" }, h("span", { text: t("profile.nickname") }), nameOf(customer.name)),
        standing === "mutual" ? "" : h("p", { class: "profile-standing", text: t(`standing.staff.${standing}`, { name: customer.name }) }),
      ),
    );
  }

  function drawTags(follow, usable) {
    const groups = new Map();
    for (const tag of follow?.tags ?? []) {
      const name = tag.type === 2 ? t("profile.personal") : tag.group_name;
      groups.set(name, [...(groups.get(name) ?? []), tag]);
    }
    const edit = h("button", { type: "button", class: "small", text: t("profile.edit_tags"), disabled: !usable });
    edit.addEventListener("click", () => phone.push(tagScreen({ phone, pair, path, byHand })));
    const rows = [...groups].map(([name, found]) =>
      h("div", { class: "tag-group" }, h("span", { class: "tag-group-name" }, nameOf(name)), h("ul", { class: "tag-list" }, ...found.map(chip))),
    );
    tags.replaceChildren(
      h("div", { class: "block-head" }, h("h4", { text: t("profile.tags") }), edit),
      ...(rows.length ? rows : [h("p", { class: "nothing", text: t("profile.no_tags") })]),
    );
  }

  function chip(tag) {
    const bot = byBot.has(tag.tag_id);
    return h("li", { class: bot ? "tag tag-bot" : "tag", "data-tag": tag.tag_name, title: bot ? t("profile.by_bot") : null }, bot ? icon("robot") : null, nameOf(tag.tag_name), bot ? h("span", { class: "only-heard", text: t("profile.by_bot") }) : null);
  }

  function drawFacts(follow) {
    const rows = [];
    if (follow) {
      const way = known(`add_way.${follow.add_way}`) ? t(`add_way.${follow.add_way}`) : t("add_way.other", { n: follow.add_way });
      rows.push([t("profile.channel"), follow.channel || follow.state || t("profile.no_channel")]);
      rows.push([t("profile.way"), way]);
      rows.push([t("profile.added"), fullTime(follow.createtime)]);
      if (follow.description) rows.push([t("profile.description"), follow.description]);
      if (follow.remark_mobiles.length) rows.push([t("profile.mobile"), follow.remark_mobiles.join(t("list.comma"))]);
    }
    rows.push(["external_userid", externalUserid]);
    facts.replaceChildren(...rows.flatMap(([name, value]) => [h("dt", { text: name }), h("dd", {}, nameOf(value))]));
  }

  function drawButtons(follow) {
    const standing = follow?.friendship ?? "gone";
    const made = [];
    if (["requested", "half"].includes(standing)) made.push(button("primary", t(`staff.confirm.${standing}`), () => act("confirm")));
    if (standing !== "requested" && standing !== "gone") made.push(button("secondary", t("profile.chat"), openChat));
    if (standing !== "gone") {
      const ask = () => phone.ask(t("contact.delete.customer", { name: current.customer.name }), t("contact.delete.customer.yes"), () => act("delete_by_staff"));
      made.push(button("danger", t("profile.delete"), ask));
    }
    // Not drawn anew while nothing changed: a focused button keeps its focus.
    const wanted = made.map((node) => node.textContent).join("|");
    if (buttons.dataset.made !== wanted) buttons.replaceChildren(...made);
    buttons.dataset.made = wanted;
  }

  async function act(path_) {
    try {
      await post(path_, pair);
      load();
    } catch (error) {
      report(error);
    }
  }

  remark.addEventListener("focus", () => (saveRemark.hidden = false));
  remark.addEventListener("blur", () => setTimeout(() => (saveRemark.hidden = document.activeElement !== remark), 200));
  remarkForm.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await post("edit", { ...pair, remark: remark.value.trim() });
      toast(t("profile.saved"));
      remark.blur();
      load();
    } catch (error) {
      report(error);
    }
  });

  const again = calm(load, 150);
  return {
    title: t("profile.title"),
    body,
    refresh(change) {
      if (!change || ["tags.changed", "channel.changed", "world.reset"].includes(change.kind)) again();
      else if (change.userid === userid && change.external_userid === externalUserid) again();
    },
  };
}

function button(className, text, act) {
  const node = h("button", { type: "button", class: className, text });
  node.addEventListener("click", act);
  return node;
}

/** Every tag of the company, to be switched on and off by hand. */
function tagScreen({ phone, pair, path, byHand }) {
  const body = h("div", { class: "screen profile" });
  const load = loader(() => Promise.all([get("tags"), get(path, { limit: 1 })]), draw, report);

  function draw([{ tag_groups: groups }, { follow }]) {
    const on = new Set((follow?.tags ?? []).map((tag) => tag.tag_id));
    body.replaceChildren(...groups.map((group) => h("section", { class: "block" }, h("h4", {}, nameOf(group.group_name)), h("ul", { class: "tag-list" }, ...group.tags.map((tag) => h("li", {}, toggle(tag, on.has(tag.id))))))));
  }

  function toggle(tag, isOn) {
    const node = h("button", { type: "button", class: "tag tag-toggle", "aria-pressed": isOn ? "true" : "false" }, nameOf(tag.name));
    node.addEventListener("click", async () => {
      const off = node.getAttribute("aria-pressed") === "true";
      node.setAttribute("aria-pressed", off ? "false" : "true");
      if (!off) byHand.add(tag.id);
      try {
        await post("edit", { ...pair, [off ? "remove_tags" : "add_tags"]: [tag.id] });
      } catch (error) {
        node.setAttribute("aria-pressed", off ? "true" : "false");
        report(error);
      }
    });
    return node;
  }

  const done = h("button", { type: "button", class: "nav-text", text: t("profile.done"), onClick: () => phone.pop() });
  return { title: t("profile.edit_tags"), body, actions: [done], refresh: (change) => (!change || ["tags.changed", "world.reset"].includes(change.kind)) && load() };
}
