// Elements from data. Texts are set as text, whatever they hold.

// An element with attributes, event handlers (onclick) and children; null children are left out.
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((each) => each !== null && each !== undefined));
  return made;
}

export const number = (value) => String(Number(value.toFixed(2)));
export const count = (value, noun) => `${value.toLocaleString("en")} ${noun}${value === 1 ? "" : "s"}`;
export const title = (movie) => movie.title ?? `Movie ${movie.movie_id} (no title)`;
export const movieAddress = (movie) => `#/movie/${encodeURIComponent(movie.movie_id)}`;
export const userAddress = (user) => `#/user/${encodeURIComponent(user)}`;

// The year of a movie, unless its title ends with it, as those of MovieLens do.
export function yearOf(movie) {
  const shown = movie.year && !title(movie).endsWith(`(${movie.year})`);
  return shown ? el("span", { class: "year" }, ` ${movie.year}`) : null;
}

// A title, apart from the direction of the text around it, with its year.
export function name(movie) {
  return [el("bdi", {}, title(movie)), yearOf(movie)];
}

export function movieLink(movie) {
  return el("a", { href: movieAddress(movie) }, el("bdi", {}, title(movie)));
}

export function movieWithYear(movie) {
  return [movieLink(movie), yearOf(movie)];
}

const said = document.getElementById("said");

// Tell a screen reader.
export function say(text) {
  said.textContent = text;
}

export function failure(error) {
  return el("p", { class: "failure", role: "alert" }, error.message);
}

// A bar of a share, -1 to 1 of the largest.
export function bar(part) {
  const made = el("span", { class: part < 0 ? "bar against" : "bar", "aria-hidden": "true" });
  made.style.width = `${Math.max(Math.abs(part) * 100, 1)}%`;
  return made;
}
