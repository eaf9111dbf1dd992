// The search field: a combobox whose list is filled while one types.

import { get } from "./api.js";
import { el, movieAddress, name, say, userAddress } from "./dom.js";

const form = document.getElementById("search");
const input = document.getElementById("words");
const list = document.getElementById("found");
const PAUSE = 120; // milliseconds without a key until the server is asked

let timer = 0;
let latest = 0;
let active = -1;

function option(address, ...content) {
  const made = el("li", { role: "option", "aria-selected": "false", id: `found-${list.children.length}` }, ...content);
  made.dataset.address = address;
  made.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus
  made.addEventListener("click", () => go(made));
  list.append(made);
}

function addUser(user) {
  option(userAddress(user), el("span", { class: "kind" }, "User "), el("bdi", {}, String(user)));
}

function show(open) {
  list.hidden = !open;
  input.setAttribute("aria-expanded", String(open));
  if (!open) mark(-1);
}

function mark(place) {
  active = place;
  [...list.children].forEach((each, at) => each.setAttribute("aria-selected", String(at === place)));
  if (place >= 0) {
    input.setAttribute("aria-activedescendant", list.children[place].id);
    list.children[place].scrollIntoView({ block: "nearest" });
  } else input.removeAttribute("aria-activedescendant");
}

function go(chosen) {
  show(false);
  input.value = "";
  input.blur();
  location.hash = chosen.dataset.address;
}

// Fills the list. Whoever types an id means it: a user or a movie with exactly this id comes first.
async function find() {
  const words = input.value.trim();
  const mine = ++latest;
  if (!words) {
    show(false);
    return false;
  }
  try {
    const found = await get("/search", { q: words, n: 8 });
    if (mine !== latest) return false;
    list.replaceChildren();
    const users = found.users.slice(0, found.movies.length ? 3 : 8).map((user) => ({ id: user, add: () => addUser(user) }));
    const movies = found.movies.map((movie) => ({ id: movie.movie_id, add: () => option(movieAddress(movie), ...name(movie)) }));
    const isMeant = ({ id }) => String(id) === words;
    const exact = [...users, ...movies].filter(isMeant);
    for (const each of [...exact, ...[...movies, ...users].filter((other) => !isMeant(other))]) each.add();
    const count = list.children.length;
    say(count ? `${count} found` : "Nothing found.");
    if (!count) list.append(el("li", { class: "nothing" }, "Nothing found."));
    mark(-1);
    show(true);
    return count > 0;
  } catch (error) {
    if (mine !== latest) return false;
    list.replaceChildren(el("li", { class: "nothing" }, error.message));
    show(true);
    return false;
  }
}

export function startSearch() {
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(find, PAUSE);
  });
  input.addEventListener("blur", () => show(false));
  input.addEventListener("keydown", (event) => {
    const count = list.querySelectorAll("[role=option]").length;
    if (event.key === "Escape") show(false);
    else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && count) {
      event.preventDefault();
      if (list.hidden) show(true);
      mark((active + (event.key === "ArrowDown" ? 1 : active < 0 ? 0 : -1) + count) % count);
    }
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearTimeout(timer);
    if (active >= 0) go(list.children[active]);
    else if (await find()) go(list.children[0]);
  });
}
