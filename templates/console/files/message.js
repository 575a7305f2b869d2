// The message editor: variables are inserted where one writes, and there is always a place for one more attachment.
(() => {
  document.addEventListener("click", (event) => {
    const chip = event.target.closest("[data-insert]");
    const field = chip && document.getElementById(chip.dataset.into);
    if (!field) return;
    field.setRangeText(chip.dataset.insert, field.selectionStart, field.selectionEnd, "end");
    field.focus();
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
  const numbered = (html, number) => html.replaceAll("[NUMBER]", `[${number}]`).replaceAll("-NUMBER", `-${number}`);
  document.addEventListener("change", (event) => {
    const editor = event.target.name?.endsWith(".msgtype") && event.target.closest(".message-editor");
    if (!editor) return;
    const slots = editor.querySelector(".message-slots");
    const kinds = [...slots.querySelectorAll("select[name$='.msgtype']")];
    if (kinds.some((each) => !each.value) || kinds.length >= Number(editor.dataset.attachments)) return;
    const next = Math.max(...kinds.map((each) => Number(/\[(\d+)\]\.msgtype$/.exec(each.name)[1]))) + 1;
    slots.insertAdjacentHTML("beforeend", numbered(editor.querySelector(".message-more").innerHTML, next));
  });
})();
