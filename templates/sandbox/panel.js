// A page of the bot inside of WeCom: beside a chat, or opened by itself. This page does what WeCom's client does for it.

import { post } from "./api.js";
import { h } from "./dom.js";
import { t } from "./texts.js";
import { report } from "./toast.js";

/**
 * `kind`: "sidebar" or "today"; `beside`: {entry, external_userid?, chat_id?}; `openChat(externalUserid)`: shows a chat.
 */
export function panelScreen({ userid, kind, beside, openChat }) {
  const frame = h("iframe", { class: "panel", title: t(`panel.${kind}`), src: `/sandbox/phone/${kind}?${new URLSearchParams({ userid })}` });
  const body = h("div", { class: "screen screen-panel" }, frame);

  async function heard(event) {
    if (!frame.isConnected) return;
    if (event.source !== frame.contentWindow || !event.data?.jssdk) return;
    const { jssdk, name, params, url } = event.data;
    let result;
    try {
      // Whose page it is the browser says, not the page.
      if (new URL(url).origin !== event.origin) throw new Error("another page's address");
      result = await post("jssdk", { userid, ...beside, url, name, params });
    } catch (error) {
      report(error);
      result = { errMsg: `${name}:fail`, errCode: -1 };
    }
    frame.contentWindow?.postMessage({ jssdk, result }, event.origin);
    if (name === "openEnterpriseChat" && result.externalUserId) openChat?.(result.externalUserId);
  }

  addEventListener("message", heard);
  return { title: t(`panel.${kind}`), body };
}
