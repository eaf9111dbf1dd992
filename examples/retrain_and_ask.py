"""Train a recommender on your ratings and get recommendations, in fifteen lines.

python examples/retrain_and_ask.py ratings.csv movie_titles.csv store
"""

import sys

import matinee

if len(sys.argv) != 4:
    sys.exit(__doc__)
ratings, titles, store = sys.argv[1:]
run = matinee.retrain(ratings, titles, store)  # a repeated call computes nothing
print(run.publication.reason)
if run.release is None:
    sys.exit("The gate held the candidate. The champion stays in use.")
release = matinee.load(run.release)
user = release.users.one(0)
for movie_id, title, score in release.recommend(user, n=5):
    expected = float(release.predict(user, movie_id))
    print(f"{movie_id:6}  {title}  (score {score:.2f}, expected rating {expected:.1f})")
