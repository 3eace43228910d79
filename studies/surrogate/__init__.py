"""The belief of a study: networks' errors when they are trained, their costs, their gain."""
