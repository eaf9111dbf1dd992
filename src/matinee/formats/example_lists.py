"""lists.json of an evaluation: a few users' lists with titles, for a person to judge."""

from typing import ClassVar

from pydantic import Field

from matinee.formats.base import Format


class ListedMovie(Format):
    """One entry of a list."""

    title: str = Field(description="Title, or `movie` and its id.")
    train_rows: int = Field(description="Number of rows of the movie that the model was fitted on.")
    because: str | None = Field(description="The rated movie that adds most to its score; null without any.")
    liked: bool = Field(description="Whether the user liked it in a test row, which the model has not seen.")


class ExampleList(Format):
    """One user's list."""

    user_id: int | str = Field(description="The user.")
    rated: int = Field(description="Rows that the model knows the user by.")
    played: bool = Field(False, description="Whether these rows are plays and not ratings.")
    best: list[str] = Field(description="Titles that the user rated highest; of plays, a few of them.")
    listed: list[ListedMovie] = Field(description="The first ten, best first.")


class ExampleLists(Format):
    """lists.json."""

    NAME: ClassVar[str] = "lists.json"

    users: list[ExampleList] = Field(description="Users who liked a test row, spread evenly over their ids.")
