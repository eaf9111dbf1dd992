"""Bayesian matrix factorization by Gibbs sampling: the preset `accurate`, on a CPU and on CUDA."""
