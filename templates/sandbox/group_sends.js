// What the member has to confirm: group-sends, which reach nobody before that, and posts in Moments.

import { get, part, post } from "./api.js";
import { contentOf, summary } from "./bubbles.js";
import { calm, h, icon, nameOf } from "./dom.js";
import { postRow } from "./moments.js";
import { loader } from "./phone.js";
import { fullTime, shortTime, t } from "./texts.js";
import { report } from "./toast.js";

/** The member's tasks, the newest first. */
export function tasksScreen(phone, session) {
  const userid = session.userid;
  const list = h("ul", { class: "rows" });
  const more = h("button", { type: "button", class: "more-button", text: t("list.more"), hidden: true });
  const path = `phone/staff/${part(userid)}/group_sends`;
  let shown = 30;
  const load = loader(async () => [await get(path, { limit: shown }), await get(`phone/staff/${part(userid)}/moments`)], draw, report);

  function draw([answer, { posts }]) {
    list.replaceChildren(...posts.map((one) => postRow(phone, session, one)), ...answer.tasks.map(row));
    if (!list.children.length) list.append(h("li", { class: "nothing", text: t("tasks.none") }));
    more.hidden = !answer.more || shown >= 100;
  }

  more.addEventListener("click", () => {
    shown = 100;
    load();
  });

  function row(task) {
    const notes = [t(`tasks.to.${task.chat_type}`, { n: task.recipients })];
    if (task.own) notes.push(t("tasks.own"));
    if (task.reminders && task.state === "waiting") notes.push(t("tasks.reminded", { n: task.reminders }));
    const open = h(
      "button",
      { type: "button", class: "row", "data-msgid": task.msgid, "data-state": task.state },
      h("span", { class: "avatar avatar-app", "aria-hidden": "true" }, icon("horn")),
      h(
        "span",
        { class: "row-words" },
        h("span", { class: "row-top" }, nameOf(summary(task.first), "row-name"), h("span", { class: `task-state task-${task.state}`, text: t(`task.state.${task.state}`) })),
        h("span", { class: "row-note", text: `${notes.join(" · ")} · ${shortTime(task.created_at, session.now())}` }),
      ),
    );
    open.addEventListener("click", () => phone.push(taskScreen(phone, userid, task.msgid)));
    return h("li", {}, open);
  }

  const again = calm(load, 300);
  return {
    title: h("span", {}, t("staff.group_sends")),
    body: h("div", { class: "screen" }, list, more),
    refresh(change) {
      if (!change || concerns(change, userid)) again();
    },
  };
}

/** One task: its content, who receives it, and the button that sends it. */
function taskScreen(phone, userid, msgid) {
  const body = h("div", { class: "screen" });
  const path = `phone/staff/${part(userid)}/group_sends/${part(msgid)}`;
  const left = new Set();
  const load = loader(() => get(path), draw, (error) => {
    if (error.code === "not_found") phone.open("group_sends");
    else report(error);
  });

  function draw(task) {
    const waiting = task.state === "waiting";
    body.replaceChildren(
      h("div", { class: "task-content" }, ...task.messages.map((message) => h("div", { "data-type": message.msgtype }, contentOf(message, { userid })))),
      facts(task),
      waiting ? h("div", { class: "profile-buttons" }, sendButton(task)) : "",
      people(task, waiting && task.choosable),
    );
  }

  function facts(task) {
    const rows = [[t(`task.state.${task.state}`), t(`tasks.to.${task.chat_type}`, { n: task.recipients })]];
    if (task.state === "sent") {
      for (const [status, count] of [[1, task.sent], [2, task.no_friend], [3, task.at_cap], [0, task.not_sent]])
        if (count) rows.push([t(`task.status.${status}`), String(count)]);
      rows.push([t("task.sent_at"), fullTime(task.send_time)]);
    } else rows.push([t("task.created_at"), fullTime(task.created_at)]);
    return h("div", { class: "block" }, h("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => [h("dt", { text: name }), h("dd", { text: value })])));
  }

  function people(task, choosable) {
    const items = task.people.map((person) => {
      const name = nameOf(person.name || person.id);
      if (!choosable) return h("li", {}, name, task.state === "sent" ? h("span", { text: t(`task.status.${person.status}`) }) : "");
      const box = h("input", { type: "checkbox", value: person.id, checked: !left.has(person.id) });
      box.addEventListener("change", () => (box.checked ? left.delete(person.id) : left.add(person.id)));
      return h("li", {}, h("label", {}, box, name));
    });
    return h(
      "div",
      { class: "block" },
      h("h4", { text: t("task.people") }),
      h("ul", { class: "task-people" }, ...items),
      task.recipients > task.people.length ? h("p", { class: "profile-note", text: t("task.first_people", { n: task.people.length }) }) : "",
    );
  }

  function sendButton(task) {
    const send = h("button", { type: "button", class: "primary", text: t("task.send") });
    send.addEventListener("click", () => {
      const only = left.size ? task.people.map((person) => person.id).filter((id) => !left.has(id)) : null;
      phone.ask(t("task.send.sure", { n: only ? only.length : task.recipients }), t("task.send"), async () => {
        send.disabled = true;
        try {
          await post("staff/confirm_group_send", { userid, msgid, only });
          await load();
        } catch (error) {
          send.disabled = false;
          report(error);
        }
      });
    });
    return send;
  }

  const again = calm(load, 300);
  return {
    title: h("span", {}, t("task.title")),
    body,
    refresh(change) {
      if (!change || (concerns(change, userid) && (!change.msgid || change.msgid === msgid))) again();
    },
  };
}

/** Whether a change may be one of the member's tasks: only confirmations name a member. */
function concerns(change, userid) {
  return change.kind === "world.reset" || (/^(group_send|moment)\./.test(change.kind) && (!change.userid || change.userid === userid));
}
