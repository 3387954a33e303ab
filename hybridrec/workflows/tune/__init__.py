"""Choice of the settings of the blend on validation folds."""
