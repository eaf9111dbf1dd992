"""The drop folder for new rating files: which files are complete, and which a run reads."""
