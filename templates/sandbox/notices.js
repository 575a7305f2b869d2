// What the company's app says to the member of staff: alerts, cards, answers.

import { get, part, post } from "./api.js";
import { contentOf, line, withLinks } from "./bubbles.js";
import { avatar, calm, h, icon, safeAddress } from "./dom.js";
import { loader } from "./phone.js";
import { chatTime, t } from "./texts.js";
import { report } from "./toast.js";

const PAUSE_SECONDS = 300;

export function inboxScreen(session) {
  const userid = session.userid;
  const title = h("span", { class: "nav-name" });
  const list = h("ol", { class: "messages", "aria-live": "polite" });
  const older = h("button", { type: "button", class: "more-button", hidden: true, text: t("chat.older") });
  const body = h("div", { class: "screen chat", tabindex: "0" }, older, list);
  const input = h("input", { type: "text", class: "composer-input", autocomplete: "off", maxlength: "2000", "aria-label": t("inbox.input"), placeholder: t("inbox.input") });
  const form = h("form", { class: "composer composer-inner" }, input, h("button", { type: "submit", class: "composer-send", text: t("chat.send") }));
  const menu = h("nav", { class: "app-menu", hidden: true, "aria-label": t("inbox.menu") });
  const screen = h("div", { class: "screen-with-composer" }, body, menu, form);
  const path = `phone/staff/${part(userid)}/messages`;
  const known = new Map();
  let app = "";
  const load = loader(() => get(path), draw, report);

  function draw(answer) {
    app = answer.app;
    const fresh = answer.messages.some((message) => !known.has(message.seq));
    for (const message of answer.messages) known.set(message.seq, message);
    if (known.size === answer.messages.length) older.hidden = !answer.more;
    title.replaceChildren(app);
    drawMenu(answer.menu ?? []);
    drawMessages();
    if (fresh) body.scrollTop = body.scrollHeight;
  }

  function drawMenu(buttons) {
    const drawn = JSON.stringify(buttons);
    if (menu.dataset.drawn === drawn) return;
    menu.dataset.drawn = drawn;
    menu.hidden = buttons.length === 0;
    menu.replaceChildren(
      ...buttons.map((one) => {
        const below = one.sub_button ?? [];
        if (!below.length) return entry(one);
        const list = h("div", { class: "app-menu-list" }, ...below.map(entry));
        return h("details", { class: "app-menu-group", name: "app-menu" }, h("summary", { text: one.name }), list);
      }),
    );
  }

  function entry(one) {
    const href = one.type === "view" ? safeAddress(one.url ?? "") : "";
    const node = href
      ? h("a", { class: "app-menu-entry", href, target: "_blank", rel: "noopener noreferrer", text: one.name })
      : h("button", { type: "button", class: "app-menu-entry", text: one.name });
    node.addEventListener("click", async () => {
      for (const group of menu.querySelectorAll("details[open]")) group.open = false;
      try {
        await post("staff/event", { userid, event: one.type === "view" ? "view" : "click", event_key: one.key ?? one.url ?? "" });
      } catch (error) {
        report(error);
      }
    });
    return node;
  }

  function drawMessages() {
    const items = [];
    let last = 0;
    for (const message of [...known.values()].sort((a, b) => a.seq - b.seq)) {
      if (message.at - last > PAUSE_SECONDS) items.push(line(chatTime(message.at, session.now()), "message-time"));
      last = message.at;
      items.push(row(message));
    }
    list.replaceChildren(...(items.length ? items : [h("li", { class: "nothing", text: t("inbox.none") })]));
  }

  function row(message) {
    const mine = message.incoming;
    const who = mine ? avatar(session.staffName, userid, "avatar-staff") : h("span", { class: "avatar avatar-app", "aria-hidden": "true" }, icon("robot"));
    return h("li", { class: `message ${mine ? "mine" : "theirs"}`, "data-seq": message.seq, "data-type": message.msgtype }, who, h("div", { class: "message-content" }, appContent(message)));
  }

  function appContent(message) {
    const content = message.content ?? {};
    const make = { text: textOf, markdown: textOf, textcard, news, template_card: templateCard, miniprogram_notice: noticeCard }[message.msgtype];
    return make ? make(content, message) : contentOf(message);
  }

  function textOf(content) {
    return h("div", { class: "bubble", dir: "auto" }, ...withLinks(content.content ?? content.Content ?? "", { userid }));
  }

  function textcard(content) {
    return card(content.title, plain(content.description), content.url, content.btntxt);
  }

  function news(content) {
    return h("div", { class: "card-stack" }, ...(content.articles ?? []).map((article) => card(article.title, article.description, article.url, "")));
  }

  function noticeCard(content) {
    return card(content.title, (content.content_item ?? []).map((item) => `${item.key}：${item.value}`).join("\n"), "", "");
  }

  function templateCard(content, message) {
    const main = content.main_title ?? {};
    const facts = (content.horizontal_content_list ?? []).map((item) => `${item.keyname ?? ""}：${item.value ?? ""}`);
    const node = card(main.title || content.sub_title_text, [main.desc, main.title ? content.sub_title_text : "", ...facts].filter(Boolean).join("\n"), content.card_action?.url, "");
    if (content.replace_text) {
      node.append(h("div", { class: "card-actions" }, h("button", { type: "button", class: "card-action", disabled: true, text: content.replace_text })));
      return node;
    }
    const buttons = (content.button_list ?? []).map((one) => {
      const button = h("button", { type: "button", class: "card-action", text: one.text });
      button.addEventListener("click", async () => {
        try {
          await post("staff/click_card", { userid, msgid: message.msgid, key: one.key });
        } catch (error) {
          report(error);
        }
      });
      return button;
    });
    if (buttons.length) node.append(h("div", { class: "card-actions" }, ...buttons));
    return node;
  }

  older.addEventListener("click", async () => {
    try {
      const answer = await get(path, { before: Math.min(...known.keys()) });
      for (const message of answer.messages) known.set(message.seq, message);
      older.hidden = !answer.more;
      drawMessages();
    } catch (error) {
      report(error);
    }
  });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (!text) return;
    input.value = "";
    try {
      await post("staff/write", { userid, text });
      load();
    } catch (error) {
      input.value = text;
      report(error);
    }
  });

  const again = calm(load, 150);
  return {
    title,
    body: screen,
    shown: () => {
      body.scrollTop = body.scrollHeight;
    },
    refresh(change) {
      if (!change || ["world.reset", "app.changed"].includes(change.kind) || (change.kind.startsWith("app_message.") && change.userid === userid)) again();
    },
  };
}

function card(title, words, url, label) {
  const href = safeAddress(url ?? "");
  return h(
    "div",
    { class: "card card-notice" },
    h("span", { class: "card-title", dir: "auto", text: title ?? "" }),
    words ? h("span", { class: "card-words", dir: "auto", text: words }) : null,
    href ? h("a", { class: "card-more", href, target: "_blank", rel: "noopener noreferrer", text: label || t("inbox.details") }) : null,
  );
}

/** A textcard's description may hold <div class="…"> and <br>: their words only. */
function plain(html) {
  return String(html ?? "")
    .replace(/<br\s*\/?>|<\/div>/gi, "\n")
    .replace(/<\/?(?:div|font|span)[^>]*>/gi, "")
    .trim();
}
