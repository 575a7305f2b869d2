// Opens a customer's chat with one tap, where the page is open in WeCom. Without it the chat is looked for by hand.
(() => {
  const wecom = window.siyuWecom;
  const buttons = document.querySelectorAll("[data-chat]");
  if (!buttons.length) return;
  wecom.chat().then(
    () => {
      for (const button of buttons) {
        button.hidden = false;
        button.addEventListener("click", () => wecom.open(button.dataset.chat).catch(() => { button.hidden = true; }));
      }
    },
    () => {},
  );
})();
