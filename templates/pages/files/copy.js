// Copies a task's words. Without it they are copied by hand.

/** Where the clipboard is not given to pages: by a selection of our own. */
function copyBySelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.setAttribute("readonly", "");
  area.className = "off-screen";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

for (const button of document.querySelectorAll("[data-copy]")) {
  const says = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const copied = await copy(document.getElementById(button.dataset.copy).textContent);
    button.textContent = copied ? button.dataset.copied : button.dataset.failed;
    setTimeout(() => { button.textContent = says; }, 2000);
  });
}
