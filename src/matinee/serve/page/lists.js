// Lists of movies: suggestions with reasons, ratings, neighbours.

import { get } from "./api.js";
import { bar, el, failure, movieLink, movieWithYear, number } from "./dom.js";

function says(reason) {
  return reason.rating === null ? "played" : `rated ${number(reason.rating)}`;
}

export function stars(value) {
  return el("span", { class: "rating" }, el("span", { "aria-hidden": "true" }, "★ "), value);
}

function because(movie) {
  const reason = movie.because;
  return reason ? el("p", { class: "because" }, "because of ", movieLink(reason), `, ${says(reason)}`) : null;
}

// The main reasons of a place, asked when somebody opens them.
function why(movie, user, release) {
  const content = el("div", {}, el("p", {}, "…"));
  const fill = async () => {
    try {
      const found = await get("/explain", { user_id: user, movie_id: movie.movie_id, n: 8, release });
      const largest = Math.max(...found.reasons.map((each) => Math.abs(each.share)), 1e-9);
      const rows = found.reasons.map((each) => el("li", {}, bar(each.share / largest),
        el("span", {}, movieLink(each), `, ${says(each)}`),
        el("span", { class: "share" }, `${each.share < 0 ? "−" : "+"}${Math.abs(each.share).toFixed(3)}`)));
      const others = found.other_reasons
        ? el("p", { class: "quiet" }, `${found.other_reasons} other ratings add ${found.other_share.toFixed(3)}.`) : null;
      content.replaceChildren(el("p", { class: "quiet" }, `The score ${found.score.toFixed(3)} is the sum of what each rating adds.`),
        el("ul", { class: "reasons", role: "list" }, rows), ...(others ? [others] : []));
    } catch (error) {
      content.replaceChildren(failure(error));
    }
  };
  return el("details", { ontoggle: (event) => event.target.open && !event.target.dataset.asked && (event.target.dataset.asked = "yes") && fill() },
    el("summary", {}, "Main reasons", el("span", { class: "hidden" }, ` for ${movie.title ?? movie.movie_id}`)), content);
}

// Where a movie is in the list of another release.
function place(movie, at, other) {
  if (!other) return null;
  const there = other.movies.findIndex((each) => each.movie_id === movie.movie_id);
  if (there < 0) return el("span", { class: "tag alone" }, "only here");
  return there === at ? null : el("span", { class: "tag" }, `${there + 1} in ${other.release}`);
}

// What orders a list whose stars do not fall: the score of the ranking model.
export function order(movies) {
  const ratings = movies.map((each) => each.expected_rating);
  const falls = ratings.every((each, at) => each === null || !at || each <= ratings[at - 1]);
  return falls ? null : el("p", { class: "order" }, "Ordered by the score of the ranking model; ★ is the expected rating.");
}

// A list of suggestions; `user` adds the main reasons, `other` compares it with another list.
export function suggestions(found, { user = null, other = null } = {}) {
  if (!found.movies.length) return el("p", { class: "quiet" }, "No movie is left with these filters.");
  return el("div", {}, other ? null : order(found.movies), el("ol", { class: "movies", role: "list" }, found.movies.map((movie, at) => el("li", {},
    el("span", { class: "rank", "aria-hidden": "true" }, String(at + 1)),
    el("div", { class: "about" }, el("p", {}, movieWithYear(movie), place(movie, at, other)), because(movie),
      user !== null && movie.because ? why(movie, user, found.release) : null),
    movie.expected_rating === null ? null
      : el("span", { class: "expected" }, el("span", { class: "hidden" }, "expected rating "), stars(movie.expected_rating.toFixed(1)))))));
}

export function rated(movies) {
  return el("ul", { class: "movies", role: "list" }, movies.map((movie) => el("li", {},
    el("div", { class: "about" }, el("p", {}, movieWithYear(movie))),
    movie.rating === null ? null : el("span", { class: "expected" }, el("span", { class: "hidden" }, "rated "), stars(number(movie.rating))))));
}

export function neighbours(movies) {
  return el("ol", { class: "movies", role: "list" }, movies.map((movie, at) => el("li", {},
    el("span", { class: "rank", "aria-hidden": "true" }, String(at + 1)),
    el("div", { class: "about" }, el("p", {}, movieWithYear(movie)), el("span", { class: "track" }, bar(Math.max(movie.score, 0)))),
    el("span", { class: "expected" }, el("span", { class: "hidden" }, "similarity "), movie.score.toFixed(2)))));
}
