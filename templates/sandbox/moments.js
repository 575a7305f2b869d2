// Moments: what a customer sees, and what a member is to publish.

import { get, part, post } from "./api.js";
import { contentOf, summary } from "./bubbles.js";
import { avatar, calm, h, icon, nameOf } from "./dom.js";
import { loader } from "./phone.js";
import { chatTime, fullTime, shortTime, t } from "./texts.js";
import { report } from "./toast.js";

/** The customer's feed, the newest first. */
export function feedScreen(session) {
  const list = h("ol", { class: "posts" });
  const customer = session.customer;
  const load = loader(() => (customer ? get(`phone/customers/${part(customer)}/moments`) : { posts: [] }), draw, (error) => {
    if (error.code === "not_found") draw({ posts: [] });
    else report(error);
  });

  function draw({ posts, company }) {
    list.replaceChildren(...posts.map((one) => item(one, company)));
    if (!posts.length) list.append(h("li", { class: "nothing", text: t("moments.none") }));
  }

  function item(one, company) {
    const { liked } = one;
    const like = h("button", { type: "button", class: "small", text: t(liked ? "moments.liked" : "moments.like"), disabled: liked });
    like.addEventListener("click", async () => {
      like.disabled = true;
      try {
        await post("moments/react", { userid: one.userid, moment_id: one.moment_id, external_userid: customer });
        load();
      } catch (error) {
        like.disabled = false;
        report(error);
      }
    });
    const said = one.comments.map(({ name, comment }) => h("p", { class: "post-comment" }, nameOf(name, "strong"), h("span", { dir: "auto", text: comment })));
    return h(
      "li",
      { class: "post", "data-moment": one.moment_id },
      avatar(one.staff, one.userid, "avatar-staff"),
      h(
        "div",
        { class: "post-words" },
        h("span", { class: "row-top" }, nameOf(one.staff, "row-name"), h("span", { class: "at-company", text: `@${company}` })),
        content(one.messages, { external_userid: customer }),
        h("span", { class: "post-foot" }, h("time", { class: "row-note", text: chatTime(one.published_at, session.now()) }), like),
        one.likes.length ? h("p", { class: "post-likes", dir: "auto", text: t("moments.likes", { names: one.likes.slice(0, 20).map((name) => `\u2068${name}\u2069`).join(t("list.comma")) }) }) : null,
        ...said,
      ),
    );
  }

  const again = calm(load, 300);
  return {
    title: h("span", {}, t("customer.moments")),
    body: h("div", { class: "screen" }, list),
    refresh(change) {
      if (!change || change.kind === "world.reset" || change.kind.startsWith("moment.")) again();
    },
  };
}

/** A line of the member's list for each post. */
export function postRow(phone, session, one) {
  const open = h(
    "button",
    { type: "button", class: "row", "data-moment": one.moment_id, "data-state": one.state },
    h("span", { class: "avatar avatar-group", "aria-hidden": "true" }, icon("picture")),
    h(
      "span",
      { class: "row-words" },
      h("span", { class: "row-top" }, nameOf(summary(one.messages[0]), "row-name"), h("span", { class: `task-state task-${one.state}`, text: t(`moments.state.${one.state}`) })),
      h("span", { class: "row-note", text: `${t("moments.post")} · ${shortTime(one.created_at, session.now())}` }),
    ),
  );
  open.addEventListener("click", () => phone.push(postScreen(phone, session.userid, one.moment_id)));
  return h("li", {}, open);
}

/** One post of the member: its content, its numbers, and the button that publishes it. */
function postScreen(phone, userid, momentId) {
  const body = h("div", { class: "screen" });
  const load = loader(() => get(`phone/staff/${part(userid)}/moments`), draw, report);

  function draw({ posts }) {
    const one = posts.find((found) => found.moment_id === momentId);
    if (!one) {
      phone.open("group_sends");
      return;
    }
    const rows = [[t("task.created_at"), fullTime(one.created_at)]];
    if (one.state === "sent") rows.unshift([t("moments.seen_by"), one.seen_by], [t("moments.like_count"), one.likes], [t("moments.comment_count"), one.comments]);
    body.replaceChildren(
      h("div", { class: "task-content" }, content(one.messages, { userid })),
      h("div", { class: "block" }, h("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => [h("dt", { text: name }), h("dd", { text: String(value) })]))),
      one.state === "waiting" ? h("div", { class: "profile-buttons" }, publishButton()) : "",
    );
  }

  function publishButton() {
    const publish = h("button", { type: "button", class: "primary", text: t("moments.publish") });
    publish.addEventListener("click", () =>
      phone.ask(t("moments.publish.sure"), t("moments.publish"), async () => {
        publish.disabled = true;
        try {
          await post("staff/publish_moment", { userid, moment_id: momentId });
          await load();
        } catch (error) {
          publish.disabled = false;
          report(error);
        }
      }),
    );
    return publish;
  }

  const again = calm(load, 300);
  return {
    title: h("span", {}, t("moments.post")),
    body,
    refresh(change) {
      if (!change || change.kind === "world.reset" || change.moment_id === momentId) again();
    },
  };
}

/** Words first, then pictures side by side, or the card. */
function content(messages, whom) {
  return h("div", { class: "post-content" }, ...messages.map((message) => h("div", { class: `post-${message.msgtype}`, "data-type": message.msgtype }, contentOf(message, whom))));
}
