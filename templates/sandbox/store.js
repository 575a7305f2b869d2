// What the browser keeps for this page. A browser that keeps nothing shows the page all the same.

export function recall(storage, key) {
  try {
    return window[storage].getItem(key);
  } catch {
    return null;
  }
}

export function keep(storage, key, value) {
  try {
    window[storage].setItem(key, value);
  } catch {
    // Storage is blocked or full: the choice lasts as long as the page.
  }
}
