// One phone: tabs at the bottom, screens on top of each other, a sheet for questions.

import { h, icon } from "./dom.js";
import { t } from "./texts.js";

/**
 * A screen is {title, body, foot?, actions?, refresh?(change)}: `title` and `body` are nodes, `actions` buttons at the
 * top right, `foot` replaces the tabs. `refresh` is called without a change when the screen comes (back) into view.
 */
export class Phone {
  /** `tabs`: [{key, icon, label: () => text, make: () => screen}] */
  constructor(root, tabs) {
    this.root = root;
    this.tabs = tabs;
    this.stack = [];
    this.tab = tabs[0].key;
    this.badges = {};
    root.replaceChildren();
    root.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      if (this.sheet) this.closeSheet();
      else if (this.stack.length > 1) this.pop();
    });
  }

  /** Show a tab's first screen. */
  open(key) {
    this.tab = key;
    delete this.badges[key];
    this.stack = [this.tabs.find((tab) => tab.key === key).make()];
    this.#draw();
  }

  push(screen) {
    this.stack.push(screen);
    this.#draw();
  }

  /** Show a tab with a screen on top of it. */
  openWith(key, screen) {
    this.open(key);
    this.push(screen);
  }

  pop() {
    if (this.stack.length > 1) this.stack.pop();
    this.#draw();
  }

  get top() {
    return this.stack[this.stack.length - 1];
  }

  /** Something happened in the world. */
  refresh(change) {
    this.top?.refresh?.(change);
  }

  /** Show that a tab has something new. */
  mark(key) {
    if (this.tab === key) return;
    this.badges[key] = true;
    for (const dot of this.root.querySelectorAll(`[data-phone-tab="${key}"]`)) dot.dataset.new = "";
  }

  /** Ask before something is done that cannot be taken back. */
  ask(question, label, act) {
    this.closeSheet();
    const before = document.activeElement;
    const yes = h("button", { type: "button", class: "sheet-danger", text: label });
    const no = h("button", { type: "button", class: "sheet-cancel", text: t("sheet.cancel") });
    const shade = h("div", { class: "sheet-shade" });
    this.sheet = h(
      "div",
      { class: "sheet", role: "alertdialog", "aria-modal": "true", "aria-label": question },
      shade,
      h("div", { class: "sheet-panel" }, h("p", { class: "sheet-question", text: question }), yes, no),
    );
    this.sheetBefore = before;
    yes.addEventListener("click", () => {
      this.closeSheet();
      act();
    });
    no.addEventListener("click", () => this.closeSheet());
    shade.addEventListener("click", () => this.closeSheet());
    this.sheet.addEventListener("keydown", (event) => {
      if (event.key !== "Tab") return;
      event.preventDefault();
      (document.activeElement === yes ? no : yes).focus();
    });
    this.root.append(this.sheet);
    no.focus();
  }

  closeSheet() {
    this.sheet?.remove();
    this.sheet = null;
    this.sheetBefore?.focus?.();
    this.sheetBefore = null;
  }

  #draw() {
    this.closeSheet();
    const screen = this.top;
    const held = this.root.contains(document.activeElement);
    const deep = this.stack.length > 1;
    const back = deep
      ? h("button", { type: "button", class: "nav-button", "aria-label": t("nav.back"), onClick: () => this.pop() }, icon("back"))
      : h("span", { class: "nav-gap" });
    const title = h("h3", { class: "nav-title", tabindex: "-1" }, screen.title);
    const nav = h("div", { class: "nav" }, back, title, h("div", { class: "nav-actions" }, ...(screen.actions ?? [])));
    const foot = screen.foot ?? (deep ? null : this.#tabBar());
    this.root.replaceChildren(nav, screen.body, ...(foot ? [foot] : []));
    // Whoever uses the keyboard stays in this phone when a screen is exchanged for another.
    if (held) title.focus({ preventScroll: true });
    screen.refresh?.();
    screen.shown?.();
  }

  #tabBar() {
    return h(
      "div",
      { class: "tab-bar", role: "group" },
      ...this.tabs.map((tab) =>
        h(
          "button",
          {
            type: "button",
            class: "tab-button",
            "data-phone-tab": tab.key,
            "data-new": this.badges[tab.key] ? "" : null,
            "aria-current": tab.key === this.tab ? "page" : null,
            onClick: () => this.open(tab.key),
          },
          icon(tab.icon),
          h("span", { text: tab.label() }),
        ),
      ),
    );
  }
}

/**
 * A function that loads and draws; asked again while it loads, it loads once more afterwards. A failure goes to `fail`.
 */
export function loader(load, draw, fail) {
  let running = false;
  let again = false;
  return async function run() {
    again = true;
    if (running) return;
    running = true;
    try {
      while (again) {
        again = false;
        draw(await load());
      }
    } catch (error) {
      fail(error);
    } finally {
      running = false;
    }
  };
}
