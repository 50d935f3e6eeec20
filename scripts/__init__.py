"""The deploy scripts; `kube` is their Python part."""
