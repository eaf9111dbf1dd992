"""Search for better settings: trials on valid rows, repeats of the best, and the file for `--settings`.

Optuna suggests and prunes, and keeps the trials. It is an extra, which only `matinee.pipeline.tuning.trials` imports.
"""
