// Stands in for WeCom's JS-SDK (`ww`) on pages of the bot that the phone page shows in a frame.
//
// What WeCom's client would do the phone page does: it is asked by a message, and it alone is answered to. As with the
// real one, nothing works before the page's signature was checked, and everything is refused outside of the client.
window.ww = (() => {
  const phone = new URL(document.currentScript.src).origin;
  const waiting = new Map();
  let given = null;
  let configured = null;
  let configuredFor = "";
  let asked = 0;

  addEventListener("message", (event) => {
    if (event.source !== window.parent || event.origin !== phone) return;
    const waits = waiting.get(event.data?.jssdk);
    if (!waits) return;
    waiting.delete(event.data.jssdk);
    if (event.data.result.errCode === 0) waits.resolve(event.data.result);
    else waits.refuse(event.data.result);
  });

  const address = () => location.href.split("#")[0];

  function ask(name, params) {
    if (window.parent === window) return Promise.reject({ errMsg: `${name}:fail not in WeCom`, errCode: -1 });
    return new Promise((resolve, refuse) => {
      asked += 1;
      waiting.set(asked, { resolve, refuse });
      const plain = JSON.parse(JSON.stringify(params));
      window.parent.postMessage({ jssdk: asked, name, params: plain, url: address() }, phone);
    });
  }

  /** Whenever the address is another, the page has to be signed anew. */
  function configure() {
    if (configured && configuredFor === address()) return configured;
    configuredFor = address();
    configured = (async () => {
      const signs = await given.getAgentConfigSignature(configuredFor);
      return ask("agentConfig", { corpid: given.corpId, agentid: `${given.agentId}`, jsApiList: given.jsApiList, ...signs });
    })();
    configured.then(given.onAgentConfigSuccess, given.onAgentConfigFail).catch(() => {});
    return configured;
  }

  const call = (name) => async (params = {}) => {
    if (!given) throw { errMsg: `${name}:fail no register`, errCode: -1 };
    await configure();
    return ask(name, params);
  };

  return {
    SDK_VERSION: "2.0.2-sandbox",
    register(options) {
      if (!options.corpId) throw new Error("Missing corpId");
      given = options;
      configure().catch(() => {});
    },
    getContext: call("getContext"),
    getCurExternalContact: call("getCurExternalContact"),
    getCurExternalChat: call("getCurExternalChat"),
    sendChatMessage: call("sendChatMessage"),
    openEnterpriseChat: call("openEnterpriseChat"),
  };
})();
