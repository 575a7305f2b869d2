// What one message of a chat looks like: text, picture, link, mini-program, video, file.

import { avatar, h, icon, safeAddress } from "./dom.js";
import { fileSize, t } from "./texts.js";

/** The content of a message: a bubble or a card. `whom`: whose phone it is, as {external_userid} or {userid}. */
export function contentOf(message, whom = null) {
  const content = message.content ?? {};
  const make = MAKERS[message.msgtype];
  return make ? make(content, message.files ?? {}, whom, message) : unknown(message.msgtype);
}

/**
 * One message as a row of a chat. `who`: {name, key, kind} of the sender; `mine`: it was sent from this phone; `whom`:
 * whose phone this is.
 */
export function row(message, who, mine, whom = null) {
  return h(
    "li",
    { class: `message ${mine ? "mine" : "theirs"}`, "data-seq": message.seq, "data-type": message.msgtype },
    avatar(who.name, who.key, who.kind),
    h("div", { class: "message-content" }, h("span", { class: "only-heard", text: t("chat.says", { name: who.name }) }), contentOf(message, whom)),
  );
}

/** A line between messages: time, or what the system says. */
export function line(text, className = "") {
  return h("li", { class: `message-line ${className}`.trim() }, h("span", { text }));
}

/** What a chat list says about the last message. */
export function summary(message) {
  if (!message) return "";
  const content = message.content ?? {};
  if (message.origin === "notice") return t("chat.became");
  switch (message.msgtype) {
    case "text":
    case "markdown":
      return String(content.content ?? "");
    case "link":
    case "miniprogram":
    case "textcard":
      return `[${t(`kind.${message.msgtype}`)}] ${content.title ?? ""}`;
    case "msgmenu":
      return content.head_content || `[${t("kind.msgmenu")}]`;
    case "location":
      return `[${t("kind.location")}] ${content.name ?? ""}`;
    case "image":
    case "video":
    case "file":
    case "voice":
    case "news":
    case "template_card":
      return `[${t(`kind.${message.msgtype}`)}]`;
    default:
      return `[${message.msgtype}]`;
  }
}

function text(content, files, whom) {
  return h("div", { class: "bubble", dir: "auto" }, ...withLinks(String(content.content ?? ""), whom));
}

const ADDRESS = /https?:\/\/[\x21-\x7e]+/g;

/** The pieces of a text: what looks like an address can be opened, as in WeChat. */
export function withLinks(words, whom) {
  const pieces = [];
  let end = 0;
  for (const found of words.matchAll(ADDRESS)) {
    const shown = found[0].replace(/[.,;:!?)\]'"]+$/, "");
    if (!safeAddress(shown)) continue;
    pieces.push(words.slice(end, found.index), h("a", { class: "text-link", text: shown, ...opening(shown, whom) }));
    end = found.index + shown.length;
  }
  return [...pieces, words.slice(end)];
}

/** An address is opened by the browser in this phone's WeChat, which knows who holds the phone. */
function opening(href, whom) {
  const onClick = (event) => {
    event.preventDefault();
    open(`/sandbox/phone/open?${new URLSearchParams({ ...whom, url: href })}`, "_blank", "noopener");
  };
  return { href, target: "_blank", rel: "noopener noreferrer", onClick: whom && onClick };
}

function picture(content, files) {
  const file = files.media_id ?? files.pic_url;
  if (!file) return missing("picture", t("file.missing"));
  return h("a", { class: "picture", href: file.url, target: "_blank", rel: "noopener noreferrer" }, image(file, t("kind.image")));
}

function image(file, alt) {
  const node = h("img", { src: file.url, alt, loading: "lazy", decoding: "async" });
  node.addEventListener("error", () => node.replaceWith(h("span", { class: "picture-broken" }, icon("picture"), h("span", { text: alt }))));
  return node;
}

function link(content, files, whom) {
  const href = safeAddress(content.url ?? "");
  const picture = files.picurl ?? files.thumb_media_id;
  const cover = picture ? image(picture, "") : icon("link");
  return h(
    href ? "a" : "div",
    { class: "card card-link", ...(href ? opening(href, whom) : {}) },
    h("span", { class: "card-title", dir: "auto", text: content.title ?? "" }),
    h(
      "span",
      { class: "card-row" },
      h("span", { class: "card-desc", dir: "auto", text: content.desc || hostOf(href) }),
      h("span", { class: "card-cover" }, cover),
    ),
  );
}

function hostOf(href) {
  return href ? new URL(href).host : "";
}

function miniprogram(content, files) {
  const picture = files.pic_media_id ?? files.thumb_media_id;
  const cover = picture ? image(picture, "") : icon("mini");
  return h(
    "div",
    { class: "card card-mini", title: `${content.appid ?? ""} ${content.page ?? content.pagepath ?? ""}` },
    h("span", { class: "card-mini-name" }, h("span", { class: "mini-dot" }, icon("mini")), h("span", { text: t("kind.miniprogram") })),
    h("span", { class: "card-title", dir: "auto", text: content.title ?? "" }),
    h("span", { class: "card-mini-cover" }, cover),
    h("span", { class: "card-foot" }, icon("mini"), h("span", { text: t("kind.miniprogram") })),
  );
}

function video(content, files) {
  const file = files.media_id;
  if (!file) return missing("play", t("file.missing"));
  const start = h(
    "button",
    { type: "button", class: "card-video", "aria-label": t("video.play", { name: file.filename }) },
    h("span", { class: "video-play" }, icon("play")),
    h("span", { class: "video-name", text: `${file.filename} · ${fileSize(file.size_bytes)}` }),
  );
  start.addEventListener("click", () => {
    const player = h("video", { class: "card-player", src: file.url, controls: true, autoplay: true, playsinline: true });
    start.replaceWith(player);
    player.focus();
  });
  return start;
}

function file(content, files) {
  const found = files.media_id;
  if (!found) return missing("file", t("file.missing"));
  return h(
    "a",
    { class: "card card-file", href: found.url, download: found.filename },
    h("span", { class: "file-words" }, h("span", { class: "card-title", dir: "auto", text: found.filename }), h("span", { class: "card-desc", text: fileSize(found.size_bytes) })),
    h("span", { class: "file-kind" }, icon("file"), h("span", { text: ending(found.filename) })),
  );
}

function ending(filename) {
  const dot = filename.lastIndexOf(".");
  return dot > 0 ? filename.slice(dot + 1, dot + 5).toUpperCase() : "";
}

/** A menu of customer service; `message.onMenu(id)`: an item was tapped. */
function menu(content, files, whom, message) {
  const words = (text) => (text ? h("p", { class: "menu-words", dir: "auto", text }) : null);
  return h("div", { class: "bubble bubble-menu" }, words(content.head_content), ...(content.list ?? []).map((item) => menuItem(item, whom, message.onMenu)), words(content.tail_content));
}

function menuItem(item, whom, onMenu) {
  const body = item[item.type] ?? {};
  if (item.type === "text") return h(body.no_newline ? "span" : "p", { class: "menu-words", dir: "auto", text: body.content ?? "" });
  if (item.type === "click") {
    const tap = h("button", { type: "button", class: "menu-item", dir: "auto", text: body.content ?? "", disabled: !onMenu });
    if (onMenu) tap.addEventListener("click", () => onMenu(body.id ?? ""));
    return tap;
  }
  const href = item.type === "view" ? safeAddress(body.url ?? "") : "";
  return h(href ? "a" : "span", { class: "menu-item", dir: "auto", text: body.content ?? "", ...(href ? opening(href, whom) : {}) });
}

function location(content) {
  return h("div", { class: "card card-link" }, h("span", { class: "card-title", dir: "auto", text: content.name || t("kind.location") }), h("span", { class: "card-desc", dir: "auto", text: content.address || `${content.latitude}, ${content.longitude}` }));
}

function missing(sign, words) {
  return h("div", { class: "bubble bubble-missing" }, icon(sign), h("span", { text: words }));
}

function unknown(msgtype) {
  return h("div", { class: "bubble bubble-missing", text: t("kind.unknown", { type: msgtype }) });
}

const MAKERS = { text, image: picture, link, miniprogram, video, file, voice: file, msgmenu: menu, location };
