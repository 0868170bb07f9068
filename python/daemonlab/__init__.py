"""The laboratory: start programs, look at them from outside, judge what was seen."""
