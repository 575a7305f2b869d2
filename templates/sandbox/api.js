// The control API of the local WeCom, on the same origin.

/** The control API said no, or could not be reached. `code` is its word for why; `offline` when nobody answered. */
export class ApiFailure extends Error {
  constructor(code, message, remedy = "") {
    super(message);
    this.code = code;
    this.remedy = remedy;
  }
}

export function get(path, query = {}) {
  const text = new URLSearchParams(query).toString();
  return ask("GET", text ? `${path}?${text}` : path);
}

export function post(path, body = {}) {
  return ask("POST", path, body);
}

async function ask(method, path, body) {
  let response;
  try {
    response = await fetch(`/sandbox/${path}`, {
      method,
      cache: "no-store",
      headers: body ? { "Content-Type": "application/json" } : {},
      body: body ? JSON.stringify(body) : undefined,
    });
  } catch (error) {
    throw new ApiFailure("offline", String(error));
  }
  let answer = null;
  try {
    answer = await response.json();
  } catch {
    throw new ApiFailure("broken", `HTTP ${response.status}`);
  }
  if (!response.ok) {
    const error = answer.error || {};
    throw new ApiFailure(error.code || "broken", error.message || `HTTP ${response.status}`, error.remedy || "");
  }
  return answer;
}

/** A part of a path. */
export const part = encodeURIComponent;

/**
 * Every change of the world as it happens, from number `since` on. `onChange(change)` per change;
 * `onState(true|false)` when the connection stands or is lost: read everything again after it was lost.
 */
export function watch(since, onChange, onState) {
  let source = null;
  function open() {
    source = new EventSource(`/sandbox/events?since=${since}`);
    source.addEventListener("open", () => onState(true));
    source.addEventListener("message", (event) => onChange(JSON.parse(event.data)));
    source.addEventListener("error", () => {
      onState(false);
      // The browser tries again by itself, except after an answer that was no stream.
      if (source.readyState === EventSource.CLOSED) setTimeout(open, 3000);
    });
  }
  open();
  // A page that is kept in the browser's cache must not hold a connection.
  addEventListener("pagehide", () => source.close(), { once: true });
}
