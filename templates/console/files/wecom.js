// WeCom's JS-SDK on a page of ours. It is fetched beside everything else: the page is whole without it.
//
// The body says where the script is (data-jssdk) and whose app it is (data-corpid, data-agentid, data-apis).
window.siyuWecom = (() => {
  /** Outside of WeCom the SDK waits for ever. */
  const WAIT_MS = 6000;
  const GROUPS = ["group_chat_tools"];
  const CUSTOMERS = ["single_chat_tools", "contact_profile", "single_kf_tools"];
  const given = document.body.dataset;
  const signed = new Map();

  function within(promise) {
    return Promise.race([promise, new Promise((_, refuse) => setTimeout(() => refuse(new Error("no answer")), WAIT_MS))]);
  }

  /** The signatures of a page, asked of our server once. */
  function sign(url) {
    if (!signed.has(url)) signed.set(url, fetchSigns(url));
    return signed.get(url);
  }

  async function fetchSigns(url) {
    const answer = await fetch(`/sidebar/signature?url=${encodeURIComponent(url)}`, { cache: "no-store" });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.error);
    return told;
  }

  function load() {
    return new Promise((resolve, refuse) => {
      const script = document.createElement("script");
      script.src = given.jssdk;
      script.async = true;
      script.addEventListener("load", resolve);
      script.addEventListener("error", () => refuse(new Error("the JS-SDK cannot be loaded")));
      document.head.append(script);
    });
  }

  async function begin() {
    if (!window.ww) await load();
    window.ww.register({
      corpId: given.corpid,
      agentId: given.agentid,
      jsApiList: given.apis.split(" "),
      getConfigSignature: async (url) => (await sign(url)).corp,
      getAgentConfigSignature: async (url) => (await sign(url)).app,
    });
    return window.ww;
  }

  const ready = within(begin());
  // Whoever asks hears of it; nobody has to.
  ready.catch(() => {});

  return {
    /** Beside whose chat the page is just now: {kind: "customer" | "group" | "", id}. Rejects outside of WeCom. */
    async chat() {
      const ww = await ready;
      const { entry } = await within(ww.getContext());
      if (GROUPS.includes(entry)) return { kind: "group", id: (await within(ww.getCurExternalChat())).chatId };
      if (CUSTOMERS.includes(entry)) return { kind: "customer", id: (await within(ww.getCurExternalContact())).userId };
      return { kind: "", id: "" };
    },
    /** Put a message into the chat. The page stays: what follows from it is still to be told to our server. */
    async send(message) {
      const ww = await ready;
      return within(ww.sendChatMessage(message));
    },
    /** Open the chat with a customer. */
    async open(externalUserid) {
      const ww = await ready;
      return within(ww.openEnterpriseChat({ externalUserIds: [externalUserid], groupName: "" }));
    },
    ready,
  };
})();
