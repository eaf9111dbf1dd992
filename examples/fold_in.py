"""Recommend movies to a new user, from a few ratings, without training.

python examples/fold_in.py store/releases/v0001 8=5 23=4 43=1
"""

import sys

import matinee

folder, *given = sys.argv[1:]
release = matinee.load(folder)
ratings = {int(movie): float(rating) for movie, _, rating in (text.partition("=") for text in given)}
guest = release.fold_in(ratings)

print("Your ratings, and what the model expected of them:")
for movie_id, rating in ratings.items():
    before = float(release.predict(-1, movie_id))  # -1 is an unknown user: about the movie's average
    after = float(guest.predict(movie_id))
    print(f"{movie_id:6}  rated {rating:g}, expected {before:.1f} before and {after:.1f} after")
print("You may like:")
for movie_id, title, _ in guest.recommend(n=5):
    print(f"{movie_id:6}  {title}")
