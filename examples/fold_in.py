"""Recommend movies to a new user, from a few ratings, without training.

python examples/fold_in.py store/releases/v0001 8=5 23=4 43=1
"""

import sys

import matinee
from matinee.release.idmap import parse_id

if len(sys.argv) < 3:
    sys.exit(__doc__)
folder, *given = sys.argv[1:]
release = matinee.load(folder)
is_text = release.movies.texts is not None
ratings = {
    parse_id(movie, "movie", is_text=is_text): float(rating)
    for movie, _, rating in (text.partition("=") for text in given)
}
guest = release.fold_in(ratings)

print("Your ratings, and what the model expected of them:")
for movie_id, rating in ratings.items():
    nobody = "" if release.users.texts is not None else -1
    before = float(release.predict(nobody, movie_id))  # an unknown user: about the movie's average
    after = float(guest.predict(movie_id))
    print(f"{movie_id:6}  rated {rating:g}, expected {before:.1f} before and {after:.1f} after")
print("You may like:")
for movie_id, title, _ in guest.recommend(n=5):
    print(f"{movie_id:6}  {title}")
