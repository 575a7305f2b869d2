// Beside a chat: which customer it is with, and words that are sent with one tap. Pages work without it, by links.
(() => {
  const wecom = window.siyuWecom;
  const says = document.body.dataset;
  const page = document.getElementById("page");
  const state = document.getElementById("state");
  /** The chat, once it is known. */
  let chat = null;

  const shown = () => page.querySelector("[data-customer]")?.dataset.customer;

  function tell(words) {
    state.textContent = words;
    state.hidden = !words;
  }

  const SENDS = "[data-send], [data-send-link], [data-send-media], [data-send-mini]";

  /** What is said as it stands. */
  class Refused extends Error {}

  /** Only what goes to the customer whose page this is may be sent. */
  function offer() {
    const other = page.querySelector(".other");
    const same = chat?.kind === "customer" && chat.id === shown();
    if (other) other.hidden = !chat?.id || same;
    for (const button of page.querySelectorAll(SENDS)) button.hidden = !same;
  }

  function open(path) {
    return window.htmx.ajax("GET", path, { target: "#page", swap: "innerHTML" });
  }

  async function begin() {
    const waits = page.querySelector("[data-waits]");
    const waiting = document.getElementById("waiting");
    if (waiting) waiting.hidden = false;
    try {
      chat = await wecom.chat();
    } catch {
      tell(says.sayOutside);
    }
    if (waiting) waiting.hidden = true;
    if (waits && chat) {
      const id = encodeURIComponent(chat.id);
      if (chat.kind === "customer") await open(`/sidebar/customers/${id}`);
      else if (chat.kind === "group") await open(`/sidebar/groups/${id}`);
      else tell(says.sayAlone);
    }
    offer();
  }

  function filled(parts) {
    return Object.fromEntries(Object.entries(parts).filter(([, value]) => value));
  }

  /** The page of a mini-program as a chat wants it: WeChat finds it by the path with `.html` behind. */
  function asPage(page) {
    const [path, ...query] = page.split("?");
    return [path.endsWith(".html") ? path : `${path}.html`, ...query].join("?");
  }

  async function messageOf(button) {
    const { send, sendLink, sendMedia, sendMini, title, desc, picture } = button.dataset;
    if (send) return { msgtype: "text", text: { content: document.getElementById(send).textContent } };
    // WeCom refuses an empty description or picture, and takes none.
    if (sendLink) return { msgtype: "news", news: filled({ link: sendLink, title, desc, imgUrl: picture }) };
    if (sendMini) {
      const miniprogram = { appid: sendMini, title, imgUrl: picture, page: asPage(button.dataset.page) };
      return { msgtype: "miniprogram", miniprogram };
    }
    const { kind, of } = button.dataset;
    const answer = await ask("/sidebar/media", { media: sendMedia, kind, of: of ?? "" });
    const told = await answer.json();
    if (!answer.ok) throw new Refused(told.error);
    return { msgtype: kind, [kind]: { mediaid: told.media_id } };
  }

  function ask(path, form = {}) {
    return fetch(path, { method: "POST", headers: { "X-Csrf": says.csrf }, body: new URLSearchParams(form) });
  }

  async function send(button) {
    // The chat may have become another's while the page stood.
    chat = await wecom.chat();
    if (chat.kind !== "customer" || chat.id !== shown()) {
      offer();
      throw new Refused(says.sayOther);
    }
    await wecom.send(await messageOf(button));
    if (button.dataset.used) await ask(button.dataset.used);
    tell(says.saySent);
    if (button.dataset.then) document.getElementById(button.dataset.then).requestSubmit();
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest(SENDS);
    if (!button) return;
    button.disabled = true;
    try {
      await send(button);
    } catch (error) {
      tell(error instanceof Refused ? error.message : says.sayFailed);
    }
    button.disabled = false;
  });
  document.addEventListener("siyu:copied", (event) => {
    if (event.target.dataset.used) ask(event.target.dataset.used);
  });
  document.addEventListener("htmx:afterSettle", offer);
  // Whoever comes back to the page may come from another chat.
  document.addEventListener("visibilitychange", async () => {
    if (document.hidden || !chat) return;
    try {
      chat = await wecom.chat();
    } catch {
      return;
    }
    offer();
  });
  begin();
})();
