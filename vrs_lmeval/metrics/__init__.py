"""One question's answers and scores -> its values, metric by metric."""
