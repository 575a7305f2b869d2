// Small helps; every page works without them.
(() => {
  // A menu closes when something else is pressed, and with Escape.
  const menus = () => document.querySelectorAll("details.console-me[open], details.console-menu-small[open]");
  document.addEventListener("click", (event) => {
    for (const menu of menus()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") for (const menu of menus()) menu.open = false;
  });
  // Of a long menu the page that is open is in sight.
  const here = document.querySelector(".console-side [aria-current]");
  const side = here?.closest(".console-side");
  if (here && here.offsetTop + here.offsetHeight > side.clientHeight) side.scrollTop = here.offsetTop - side.clientHeight / 2;
  // Progress comes as it happens; without scripts a reload shows the same.
  for (const place of document.querySelectorAll("[data-stream]")) {
    const source = new EventSource(place.dataset.stream);
    source.addEventListener("message", (event) => {
      place.innerHTML = event.data;
      for (const each of place.querySelectorAll("template[data-swap]")) {
        document.getElementById(each.dataset.swap)?.replaceChildren(each.content);
      }
    });
    source.addEventListener("end", () => source.close());
    addEventListener("pagehide", () => source.close());
  }
  // WeCom counts bytes: what is typed is counted as it is.
  const counted = (field) => {
    const bytes = new TextEncoder().encode(field.value.replace(/\r\n/g, "\n")).length;
    const told = document.getElementById(`${field.id}-bytes`);
    told.textContent = `${bytes.toLocaleString()} / ${Number(field.dataset.bytes).toLocaleString()}`;
    told.classList.toggle("text-danger", bytes > Number(field.dataset.bytes));
  };
  document.querySelectorAll("[data-bytes]").forEach(counted);
  document.addEventListener("input", (event) => event.target.matches?.("[data-bytes]") && counted(event.target));
  // What cannot be undone asks first.
  document.addEventListener("submit", (event) => {
    const words = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
    if (words && !window.confirm(words)) event.preventDefault();
  });
})();
