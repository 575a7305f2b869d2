// Scanning a channel code, or opening a customer-acquisition link: who does, and which one.

import { get, post } from "./api.js";
import { calm, h, icon, nameOf } from "./dom.js";
import { loader } from "./phone.js";
import { t } from "./texts.js";
import { report } from "./toast.js";

/** A nickname for somebody new; people change it as they like. */
export function inventName() {
  const names = t("names.pool").split("|");
  return names[Math.floor(Math.random() * names.length)];
}

/** `onAdded(answer, startedAt)`: what the scan came to. `wanted`: a config_id (or link_id) to show first; `channel`: what stands behind that link. */
export function scanScreen({ session, onAdded, onJoined, wanted = "", channel: wantedChannel = "" }) {
  const name = h("input", { type: "text", class: "field", id: "scan-name", maxlength: "64", autocomplete: "off", value: inventName() });
  const fresh = h("input", { type: "radio", name: "who", id: "scan-new", checked: true });
  const same = h("input", { type: "radio", name: "who", id: "scan-same" });
  const flow = h(
    "select",
    { class: "field", id: "scan-flow" },
    ...["auto", "half", "request", "direct"].map((key) => h("option", { value: key, text: t(`flow.${key}`) })),
  );
  const search = h("input", { type: "search", class: "field", "aria-label": t("scan.search"), placeholder: t("scan.search"), hidden: true });
  const codes = h("ul", { class: "codes" });
  const groups = h("ul", { class: "rows" });
  const groupsHead = h("h4", { class: "list-head", text: t("scan.groups"), hidden: true });
  const more = h("button", { type: "button", class: "more-button", text: t("list.more"), hidden: true });
  const who = h(
    "fieldset",
    { class: "who" },
    h("legend", { text: t("scan.who") }),
    h("div", { class: "who-row" }, fresh, h("label", { for: "scan-new", text: t("scan.new") }), h("label", { class: "only-heard", for: "scan-name", text: t("scan.name") }), name),
    session.customer
      ? h("div", { class: "who-row" }, same, h("label", { for: "scan-same" }, h("span", { text: t("scan.same") }), nameOf(session.customerName, "strong")))
      : null,
    h("details", { class: "who-more" }, h("summary", { text: t("scan.options") }), h("label", { for: "scan-flow", text: t("scan.flow") }), flow),
  );
  name.addEventListener("input", () => (fresh.checked = true));
  name.addEventListener("focus", () => name.select());
  const body = h("div", { class: "screen scan" }, h("p", { class: "lead", text: t("scan.lead") }), who, search, codes, more, groupsHead, groups);
  let offset = 0;
  let busy = false;

  const load = loader(() => get("phone/channels", { q: search.value.trim(), offset: 0, limit: 24 }), draw, report);

  function draw(answer) {
    offset = answer.channels.length;
    const first = answer.channels.filter((channel) => channel.config_id === wanted);
    const rest = answer.channels.filter((channel) => channel.config_id !== wanted);
    codes.replaceChildren(...[...first, ...rest].map(code));
    if (!answer.channels.length) codes.append(h("li", { class: "nothing", text: t("scan.none") }));
    more.hidden = !answer.more;
    if (answer.more) search.hidden = false;
  }

  more.addEventListener("click", async () => {
    try {
      const answer = await get("phone/channels", { q: search.value.trim(), offset, limit: 24 });
      offset += answer.channels.length;
      codes.append(...answer.channels.map(code));
      more.hidden = !answer.more;
    } catch (error) {
      report(error);
    }
  });
  search.addEventListener("input", calm(load, 250));

  function code(channel) {
    const people = [...channel.staff, ...channel.departments].join(t("list.comma")) + (channel.more_staff ? t("scan.more_staff", { n: channel.more_staff }) : "");
    const button = h(
      "button",
      { type: "button", class: "code", "data-state": channel.state, "data-config": channel.config_id },
      h("img", { class: "code-picture", src: `/sandbox/phone/qr/${channel.config_id}`, alt: t("scan.code", { name: channel.name }), width: "92", height: "92", loading: "lazy" }),
      h("span", { class: "code-name" }, nameOf(channel.name)),
      h("span", { class: "code-staff" }, nameOf(people)),
      channel.skip_verify ? null : h("span", { class: "code-note", text: t("scan.verify") }),
      channel.is_link ? h("span", { class: "code-note", text: t("scan.link") }) : null,
    );
    const parameter = channel.is_link
      ? h("input", { type: "text", class: "field", maxlength: "64", autocomplete: "off", placeholder: "customer_channel", "aria-label": t("scan.parameter"), value: channel.config_id === wanted ? wantedChannel : "" })
      : null;
    button.addEventListener("click", () => scan(channel, parameter ? parameter.value.trim() : ""));
    return h("li", {}, button, parameter);
  }

  function chosen() {
    return same.checked && session.customer ? { external_userid: session.customer } : { name: name.value.trim() || inventName() };
  }

  async function scan(channel, parameter) {
    if (busy) return;
    busy = true;
    const startedAt = performance.now();
    try {
      const answer = channel.is_link
        ? await post("links/open", { link_id: channel.config_id, customer_channel: parameter, ...chosen() })
        : await post("scan", { config_id: channel.config_id, flow: flow.value, ...chosen() });
      onAdded(answer, startedAt);
    } catch (error) {
      report(error);
    } finally {
      busy = false;
    }
  }

  const loadGroups = loader(() => get("phone/groups", { limit: 6 }), (answer) => {
    groupsHead.hidden = !answer.groups.length || !session.customer;
    groups.replaceChildren(...(session.customer ? answer.groups.map(groupRow) : []));
  }, report);

  function groupRow(group) {
    const button = h("button", { type: "button", class: "row" }, h("span", { class: "avatar avatar-group", "aria-hidden": "true" }, icon("people")), h("span", { class: "row-words" }, nameOf(group.name, "row-name"), h("span", { class: "row-note", text: t("group.members", { n: group.members }) })));
    button.addEventListener("click", async () => {
      try {
        await post("groups/join", { chat_id: group.chat_id, people: [session.customer], scene: 3 });
        onJoined(group.chat_id);
      } catch (error) {
        if (error.code === "not_possible") onJoined(group.chat_id);
        else report(error);
      }
    });
    return h("li", {}, button);
  }

  return {
    title: t("scan.title"),
    body,
    refresh(change) {
      if (!change || change.kind === "channel.changed" || change.kind === "world.reset") {
        load();
        loadGroups();
      }
    },
  };
}
