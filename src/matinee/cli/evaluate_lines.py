"""The lines that `matinee evaluate` prints: the champion's figures on a file of newer rows."""

from matinee.monitor.file_evaluation import FileEvaluation
from matinee.monitor.play_evaluation import PlayFileEvaluation


def evaluate_lines(trial: FileEvaluation | PlayFileEvaluation) -> list[str]:
    """Errors next to those of the global mean; of plays, nDCG@10 next to that of popularity."""
    if isinstance(trial, PlayFileEvaluation):
        beside = f"popularity {trial.popularity_ndcg_at_10:.4f}"
        return [f"ndcg@10   {trial.ndcg_at_10:.4f}   {beside}   ({trial.users:,} users)"]
    return [
        f"rmse      {trial.rmse:.4f}   global mean {trial.global_mean_rmse:.4f}",
        f"mae       {trial.mae:.4f}   global mean {trial.global_mean_mae:.4f}",
    ]
