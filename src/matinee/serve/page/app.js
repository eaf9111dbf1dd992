// The pages, by the part of the address after #.

import { get, post, releases } from "./api.js";
import { count, el, failure, movieWithYear, title, userAddress, yearOf } from "./dom.js";
import { guestPage, rater } from "./guest.js";
import { neighbours, order, rated, suggestions } from "./lists.js";
import { startSearch } from "./search.js";

const main = document.getElementById("main");

async function homePage() {
  const found = await get("/search", { q: "", n: 12 });
  const { champion } = await releases(found.release);
  return [
    el("h1", {}, "What to watch next"),
    el("p", { class: "lead" }, "Search for a movie to see its neighbours, or for a user to see their list and its reasons. ",
      el("a", { href: "#/guest" }, "Rate a few movies yourself"), " to get a list of your own."),
    el("div", { class: "columns" },
      el("section", {}, el("h2", {}, "Most rated movies"), el("ol", { class: "movies", role: "list" }, found.movies.map((movie, at) => el("li", {},
        el("span", { class: "rank", "aria-hidden": "true" }, String(at + 1)),
        el("div", { class: "about" }, el("p", {}, movieWithYear(movie))),
        el("span", { class: "expected quiet" }, count(movie.train_rows, champion.plays ? "play" : "rating")))))),
      el("section", {}, el("h2", {}, "Some users"), el("ul", { class: "chips", role: "list" }, found.users.map((user) =>
        el("li", {}, el("a", { href: userAddress(user) }, el("bdi", {}, String(user)))))))),
  ];
}

// Filters that change the address, and with it the page.
function filters(user, query, all, champion) {
  const change = () => {
    const values = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
    location.hash = `${userAddress(user)}?${values}`;
  };
  const others = all.filter((each) => each.version !== champion.version);
  const year = (id, label) => el("p", { class: "field" }, el("label", { for: id }, label),
    el("input", { id, name: id, type: "number", min: 1880, max: 2100, step: 1, value: query.get(id) }));
  const form = el("form", { class: "filters", "aria-label": "Filters of the list", onchange: change, onsubmit: (event) => { event.preventDefault(); change(); } },
    year("from", "From year"), year("to", "To year"),
    el("p", { class: "field" }, el("label", { for: "franchise" }, "Per franchise"),
      el("select", { id: "franchise", name: "franchise" }, [["", "all"], ["1", "one"], ["2", "two"]].map(([value, words]) =>
        el("option", { value, selected: value === (query.get("franchise") ?? "") }, words)))),
    others.length ? el("p", { class: "field" }, el("label", { for: "with" }, "Compare with"),
      el("select", { id: "with", name: "with" }, el("option", { value: "" }, "none"), others.map((each) =>
        el("option", { value: each.version, selected: each.version === query.get("with") }, each.version)))) : null);
  return form;
}

function narrowing(query) {
  const [from, to] = ["from", "to"].map((each) => Number.parseInt(query.get(each), 10));
  const years = Number.isNaN(from) && Number.isNaN(to) ? null : [Number.isNaN(from) ? 0 : from, Number.isNaN(to) ? 9999 : to];
  return { years, per_franchise: Number.parseInt(query.get("franchise"), 10) || null };
}

// Two lists, whose rows are equally high: the places stand next to each other.
function pair(...sections) {
  const places = Math.max(...sections.map((each) => each.querySelectorAll(".movies > li").length), 1);
  for (const each of sections) each.style.gridRow = `span ${places + 1}`; // and the heading
  return el("div", { class: "pair" }, sections);
}

async function userPage(text, query) {
  const mine = await get("/ratings", { user_id: text, n: 1000 });
  const { all, champion } = await releases(mine.release);
  const ask = (release, explain) => post("/recommend", { user_id: mine.user_id, n: 20, explain, release, ...narrowing(query) })
    .catch((error) => { if (explain && /reasons/.test(error.message)) return ask(release, false); throw error; });
  const lists = await Promise.all([null, query.get("with")].filter((each, at) => !at || each).map((each) => ask(each, true).catch((error) => error)));
  const [first, second] = lists;
  const both = second && !lists.some((each) => each instanceof Error);
  const section = (found, other, label) => el("section", {}, el("h2", {}, label),
    found instanceof Error ? failure(found) : suggestions(found, { user: mine.known ? text : null, other: other instanceof Error ? null : other }));
  const champions = section(first, second ?? null, second ? (first.release ? `List of ${first.release}, the champion` : "List of the champion") : "Their list");
  const shown = rated(mine.movies.slice(0, 20));
  const more = mine.movies.length > 20 ? el("button", { type: "button", class: "more", onclick: (event) => {
    const rest = rated(mine.movies.slice(20));
    const next = rest.firstElementChild?.querySelector("a");
    shown.append(...rest.children);
    event.target.remove();
    next?.focus();
  } }, `Show ${mine.movies.length - 20} more`) : null;
  return [
    el("h1", {}, "User ", el("bdi", {}, text)),
    el("p", { class: "lead" }, mine.known ? `${champion.plays ? "Played" : "Rated"} ${count(mine.count, "movie")}.`
      : `${mine.release} does not know this user, so the list has popular movies.`),
    filters(text, query, all, champion),
    both ? order(first.movies) ?? order(second.movies) : null,
    el("div", { class: second ? "columns compared" : "columns" },
      second ? pair(champions, section(second, first, `List of ${second.release ?? query.get("with")}`)) : champions,
      el("section", { class: "past" }, el("h2", {}, champion.plays ? "What they played" : "What they rated"),
        mine.count ? shown : el("p", { class: "quiet" }, "Nothing."), more)),
  ];
}

async function moviePage(text) {
  const found = await get("/similar", { movie_id: text, n: 20 });
  const { champion } = await releases(found.release);
  return [
    el("h1", {}, el("bdi", {}, title(found.movie)), yearOf(found.movie)),
    el("div", { class: "lead" }, el("p", {}, champion.plays ? "Have you seen it?" : "How do you like it?"), rater(found.movie, champion)),
    el("section", {}, el("h2", {}, "Similar movies"), neighbours(found.movies)),
  ];
}

let latest = 0;

async function show(event) {
  const mine = ++latest;
  const [path, words] = location.hash.slice(1).split("?");
  const [, kind, id] = path.split("/");
  const pages = { user: userPage, movie: moviePage, guest: guestPage };
  main.setAttribute("aria-busy", "true");
  let content;
  try {
    content = await (pages[kind] ?? homePage)(decodeURIComponent(id ?? ""), new URLSearchParams(words));
  } catch (error) {
    content = [el("h1", {}, "No answer"), failure(error), el("p", {}, el("a", { href: "#/" }, "To the first page"))];
  }
  if (mine !== latest) return;
  const focused = document.activeElement?.closest("form.filters") ? document.activeElement.id : null;
  main.replaceChildren(...content.filter(Boolean));
  main.removeAttribute("aria-busy");
  const heading = main.querySelector("h1");
  document.title = heading.textContent === "What to watch next" ? "Matinee" : `${heading.textContent} · Matinee`;
  if (focused) document.getElementById(focused)?.focus();
  else if (event) { // a new page, not the first one
    heading.tabIndex = -1;
    heading.focus();
    scrollTo(0, 0);
  }
}

addEventListener("hashchange", show);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // what follows # is the page that is shown
  main.focus();
});
startSearch();
show();
