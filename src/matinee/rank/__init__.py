"""The ranking model: fits who watches and likes what, as tables of encoders and decoders (`release.ranking_model`)."""
