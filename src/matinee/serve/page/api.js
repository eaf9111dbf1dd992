// Questions to the server. What it answers is data: no part of it becomes markup.

const KEY = "matinee-token";
const dialog = document.getElementById("key");
const field = document.getElementById("token");
const wrong = document.getElementById("wrong");
const served = document.getElementById("served");

let asked = null; // the dialog that is open

export class Refused extends Error {}

function askForToken(isWrong) {
  asked ??= new Promise((resolve) => {
    field.value = "";
    wrong.hidden = !isWrong;
    dialog.addEventListener("close", () => {
      sessionStorage.setItem(KEY, field.value.trim());
      asked = null;
      resolve();
    }, { once: true });
    dialog.showModal();
  });
  return asked;
}

async function send(path, options) {
  for (;;) {
    const token = sessionStorage.getItem(KEY);
    const headers = { ...options.headers, ...(token && { Authorization: `Bearer ${token}` }) };
    const answer = await fetch(path, { ...options, headers }).catch(() => {
      throw new Refused("The server does not answer. Is it still running?");
    });
    if (answer.status === 401) {
      // Another question may have brought a new token while this one was under way.
      if (token === sessionStorage.getItem(KEY)) await askForToken(Boolean(token));
      continue;
    }
    const found = await answer.json().catch(() => ({ error: `The server answered with status ${answer.status}.` }));
    if (!answer.ok) throw new Refused(found.error);
    return found;
  }
}

// GET with a query; values that are null or empty are left out.
export function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  return send(`${path}?${new URLSearchParams(given)}`, {});
}

// POST with a body.
export function post(path, body) {
  return send(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

// A time without its seconds, as `matinee show` prints it.
function minute(time) {
  return `${new Date(time).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

let known = null;

// The facts of the champion, and all releases. They are asked again when another release has answered.
export async function releases(version) {
  if (!known || (version && version !== known.champion.version)) {
    const found = (await get("/releases")).releases;
    const champion = found.find((each) => each.champion) ?? found[0];
    known = { all: found, champion };
    const error = champion.rmse === null ? "" : `, RMSE ${champion.rmse.toFixed(4)}`;
    const when = champion.created ? `, published ${minute(champion.created)}` : "";
    served.textContent = `Champion ${champion.version}: ${champion.plays ? "plays" : champion.model}${error}${when}`;
  }
  return known;
}
