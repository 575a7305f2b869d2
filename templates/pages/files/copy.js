// Copies words. Without it they are copied by hand.

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

function offer(root) {
  for (const button of root.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const says = button.dataset.says ?? button.textContent;
  button.dataset.says = says;
  const copied = await copy(document.getElementById(button.dataset.copy).textContent);
  button.textContent = copied ? button.dataset.copied : button.dataset.failed;
  if (copied) button.dispatchEvent(new CustomEvent("siyu:copied", { bubbles: true }));
  setTimeout(() => { button.textContent = says; }, 2000);
});

offer(document);
// Parts of a page that come later.
document.addEventListener("htmx:load", (event) => offer(event.target));
