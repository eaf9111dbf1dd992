"""A release as an MLflow model: MLflow keeps this file with the release and runs it where the model is loaded.

model = mlflow.pyfunc.load_model("models:/matinee@champion")
model.predict(pandas.DataFrame({"user_id": [7, 7], "movie_id": [1, 2]}))            # ratings
model.predict(pandas.DataFrame({"user_id": [7, 9]}), params={"top": 10})            # lists
"""

from typing import Any

import mlflow.pyfunc
import pandas as pd

from matinee.registry.champion import load


class ReleaseModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined, unused-ignore] # untyped; an extra
    """Predicts the ratings of pairs, or makes lists for users if there is no column `movie_id`."""

    def load_context(self, context: Any) -> None:
        """Load the release."""
        self.release = load(context.artifacts["release"])

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, int] | None = None
    ) -> pd.DataFrame:
        """Answer a table with a column `user_id`.

        Args:
            context: Of MLflow; not used.
            model_input: Users, or pairs of `user_id` and `movie_id`.
            params: `top`, the length of the lists.

        Returns:
            The pairs with a column `rating`, or the lists: `user_id`, `position`, `movie_id`, `title`, `score`.
        """
        if "movie_id" in model_input and model_input["movie_id"].notna().all():
            ratings = self.release.predict(
                model_input["user_id"].to_numpy(), model_input["movie_id"].to_numpy()
            )
            return model_input[["user_id", "movie_id"]].assign(rating=ratings)
        top = int((params or {}).get("top", 10))
        return pd.DataFrame(
            [
                (user, position, *movie)
                for user in model_input["user_id"].tolist()
                for position, movie in enumerate(self.release.recommend(user, top), start=1)
            ],
            columns=["user_id", "position", "movie_id", "title", "score"],
        )


mlflow.models.set_model(ReleaseModel())
