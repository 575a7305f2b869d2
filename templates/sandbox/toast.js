// Short messages at the bottom of the page.

import { ApiFailure } from "./api.js";
import { h } from "./dom.js";
import { known, t } from "./texts.js";

let timer = 0;

/** Say something for a few seconds; `label` and `act` make a button of it. */
export function toast(text, label = "", act = null) {
  const node = document.getElementById("toast");
  clearTimeout(timer);
  const hide = () => {
    node.hidden = true;
  };
  const button = act
    ? h("button", {
        type: "button",
        text: label,
        onClick: () => {
          hide();
          act();
        },
      })
    : null;
  node.replaceChildren(h("span", { text }), ...(button ? [button] : []));
  node.hidden = false;
  timer = setTimeout(hide, act ? 8000 : 5000);
}

/** Say that something did not work, in words. */
export function report(error) {
  if (!(error instanceof ApiFailure)) throw error;
  const key = `error.${error.code}`;
  const words = known(key) ? t(key, { message: error.message }) : error.message;
  toast(error.code === "offline" ? t("error.offline") : words);
}
