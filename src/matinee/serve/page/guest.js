// The ratings of a guest, kept in this tab, and the page where they are given.

import { get, post, releases } from "./api.js";
import { count, el, failure, movieWithYear, number, say, title } from "./dom.js";
import { suggestions } from "./lists.js";

const KEY = "matinee-guest";
const link = document.getElementById("guest");
const given = new Map(JSON.parse(sessionStorage.getItem(KEY) ?? "[]")); // by movie id: { movie, rating }

function keep() {
  sessionStorage.setItem(KEY, JSON.stringify([...given]));
  link.textContent = given.size ? `Your list (${given.size})` : "Rate as a guest";
}

keep();

// The ratings that a guest can give: whole stars, or five steps of a long scale.
function steps([low, high]) {
  const first = Math.max(Math.ceil(low), low < 1 ? 1 : low);
  if (high - low <= 10) return Array.from({ length: Math.floor(high) - first + 1 }, (_, at) => first + at);
  return [0.2, 0.4, 0.6, 0.8, 1].map((part) => Math.round(low + part * (high - low)));
}

// A group of radio buttons that look like stars, or a box for a play.
export function rater(movie, champion, changed) {
  const set = (rating) => {
    if (rating === undefined) given.delete(movie.movie_id);
    else given.set(movie.movie_id, { movie, rating });
    keep();
    changed?.();
  };
  const now = given.get(movie.movie_id);
  if (champion.plays) {
    return el("label", { class: "played" }, el("input", { type: "checkbox", checked: Boolean(now),
      onchange: (event) => set(event.target.checked ? null : undefined) }), " seen",
    el("span", { class: "hidden" }, ` ${title(movie)}`));
  }
  const group = `rate-${movie.movie_id}`;
  const clear = el("button", { type: "button", class: "clear", hidden: !now, onclick: () => {
    for (const each of box.querySelectorAll("input")) each.checked = false;
    box.querySelector("input").focus();
    clear.hidden = true;
    set(undefined);
  } }, "Clear", el("span", { class: "hidden" }, ` the rating of ${title(movie)}`));
  const box = el("fieldset", { class: "stars" }, el("legend", { class: "hidden" }, `Rate ${title(movie)}`),
    steps(champion.scale).map((value) => el("label", {},
      el("input", { type: "radio", name: group, value, checked: now?.rating === value,
        onchange: () => { clear.hidden = false; set(value); } }),
      el("span", { "aria-hidden": "true" }, "★"), el("span", { class: "hidden" }, number(value)))));
  return el("div", { class: "rater" }, box, clear);
}

async function list() {
  if (!given.size) return el("p", { class: "quiet" }, "Rate a movie, and your list appears here.");
  const ratings = [...given.values()].map(({ movie, rating }) => ({ movie_id: movie.movie_id, rating }));
  const found = await post("/fold_in", { ratings, n: 20, explain: true });
  say(found.movies.length ? `Your list changed. First: ${title(found.movies[0])}` : "Your list is empty.");
  return suggestions(found);
}

export async function guestPage() {
  const { champion } = await releases();
  const yours = el("div", {});
  const choice = el("ul", { class: "movies choice", role: "list" });
  let latest = 0;
  const update = async () => {
    const mine = ++latest;
    const found = await list().catch(failure);
    if (mine === latest) yours.replaceChildren(found);
  };
  let sought = 0;
  const fill = async (words) => {
    const mine = ++sought;
    try {
      const found = await get("/search", { q: words, n: 20 });
      const before = words ? [] : [...given.values()].map((each) => each.movie);
      const ids = new Set(before.map((each) => each.movie_id));
      const movies = [...before, ...found.movies.filter((each) => !ids.has(each.movie_id))];
      if (mine !== sought) return;
      choice.replaceChildren(...movies.map((movie) => el("li", {},
        el("div", { class: "about" }, el("p", {}, movieWithYear(movie))), rater(movie, champion, update))));
      if (!movies.length) choice.append(el("li", { class: "quiet" }, "Nothing found."));
      if (words) say(movies.length ? `${count(movies.length, "movie")} found` : "Nothing found.");
    } catch (error) {
      choice.replaceChildren(el("li", {}, failure(error)));
    }
  };
  const filter = el("input", { id: "filter", type: "search", autocomplete: "off", maxlength: 200,
    oninput: (event) => fill(event.target.value.trim()) });
  await Promise.all([fill(""), update()]);
  return [
    el("h1", {}, "Your own list"),
    el("p", { class: "lead" }, champion.plays
      ? "Mark a few movies that you have seen. Nothing is stored on the server."
      : "Rate a few movies and see the list change. Nothing is stored on the server."),
    el("div", { class: "columns" },
      el("section", {}, el("h2", {}, champion.plays ? "Movies you have seen" : "Movies to rate"),
        el("p", { class: "field" }, el("label", { for: "filter" }, "Find movies"), filter), choice),
      el("section", {}, el("h2", {}, "Your list"), yours)),
  ];
}
