"""Which networks to try, and what was learned: the only place that knows Optuna and Ray Tune."""
