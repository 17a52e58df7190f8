"""Scripts that run in processes of their own, beside libraries that do not go together with PyTorch in one."""
