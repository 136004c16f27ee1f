"""Areas and accuracies that can be defended: samples, answer sheets, estimators with intervals, areas by polygon."""
