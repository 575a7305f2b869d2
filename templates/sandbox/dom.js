// Elements are built from data with textContent only: whatever people call themselves is shown, never run.

/** An element. `props`: attributes, on<Event> listeners, `text`; children are nodes or strings; null is left out. */
export function h(name, props = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "text") node.textContent = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2).toLowerCase(), value);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Somebody's name: kept apart from the direction of the words around it. */
export function nameOf(text, className = "") {
  return h("bdi", { class: className || null, text });
}

const PATHS = {
  back: "M15 5l-7 7 7 7",
  chat: "M4 6.500A2.500 2.500 0 0 1 6.500 4h11A2.500 2.500 0 0 1 20 6.500v7a2.500 2.500 0 0 1-2.500 2.500H11l-4 3.500V16h-.5A2.500 2.500 0 0 1 4 13.500z",
  scan: "M4 8V5.500A1.500 1.500 0 0 1 5.500 4H8M16 4h2.500A1.500 1.500 0 0 1 20 5.500V8M20 16v2.500a1.500 1.500 0 0 1-1.500 1.500H16M8 20H5.500A1.500 1.500 0 0 1 4 18.500V16M4 12h16",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.500 20c.8-3.500 3.700-5.500 7.500-5.500s6.700 2 7.500 5.500",
  people: "M9 11.500a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM2.500 19.500c.6-3.200 3.100-5 6.500-5s5.900 1.800 6.500 5M16 11.500a3 3 0 1 0-1.500-5.600M17 14.700c2.500.3 4.100 2 4.500 4.800",
  bell: "M6 16.500V11a6 6 0 1 1 12 0v5.500l1.500 1.500h-15zM10 20.500h4",
  switch: "M4 8.500h14l-3.500-3.500M20 15.500H6l3.500 3.500",
  file: "M7 3.500h7l4 4v13H7zM14 3.500v4h4",
  play: "M8 5.500v13l11-6.500z",
  link: "M10 14a4 4 0 0 0 5.700 0l2.800-2.800a4 4 0 0 0-5.700-5.700L11.500 6.800M14 10a4 4 0 0 0-5.700 0l-2.800 2.800a4 4 0 0 0 5.700 5.700l1.300-1.300",
  picture: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.500 9.500h.01",
  mini: "M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17zM14 9.500a2 2 0 1 1 2 2M10 14.500a2 2 0 1 1-2-2M12 9.500v5M14 9.500a2 2 0 0 0-2 0M12 14.500a2 2 0 0 1-2 0",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  check: "M5 12.500l4.500 4.500L19 7.500",
  plus: "M12 5v14M5 12h14",
  horn: "M4 9.500v5h3.500l8.500 4.500v-14L7.500 9.500zM19 9.500a4 4 0 0 1 0 5",
  robot: "M6 9h12v9.500H6zM12 9V5.500M9.500 13h.01M14.500 13h.01M3.500 12v3.500M20.500 12v3.500",
};

/** One of the line icons; decorative unless the button around it has a label. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

const COLOURS = 10;

/** A picture made of the first sign of the name, in a colour that belongs to `key`. */
export function avatar(name, key, kind = "") {
  let sum = 7;
  for (const sign of key || name) sum = (sum * 31 + sign.codePointAt(0)) >>> 0;
  const initial = firstSign(name);
  return h("span", { class: `avatar colour-${sum % COLOURS} ${kind}`.trim(), "aria-hidden": "true", text: initial });
}

function firstSign(name) {
  // Signs that show nothing by themselves or turn the direction around make no picture.
  const shown = name.replace(/[\p{C}\p{Z}]/gu, "");
  if (!shown) return "?";
  if (typeof Intl.Segmenter === "function") {
    const [first] = new Intl.Segmenter("zh", { granularity: "grapheme" }).segment(shown);
    return first.segment.length > 16 ? "?" : first.segment.toLocaleUpperCase();
  }
  return Array.from(shown)[0].toLocaleUpperCase();
}

/** Only addresses that a browser may open from a message: http and https. */
export function safeAddress(text) {
  try {
    const url = new URL(text);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : "";
  } catch {
    return "";
  }
}

/** `act` at most once per `pause` milliseconds; the last wish is always carried out. */
export function calm(act, pause) {
  let timer = 0;
  let wanted = false;
  const fire = () => {
    timer = 0;
    if (!wanted) return;
    wanted = false;
    timer = setTimeout(fire, pause);
    act();
  };
  return () => {
    wanted = true;
    if (!timer) fire();
  };
}
