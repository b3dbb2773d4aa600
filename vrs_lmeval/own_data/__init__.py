"""A table of questions and a folder of images -> a folder that lm_eval asks as a task, or what is wrong where."""
