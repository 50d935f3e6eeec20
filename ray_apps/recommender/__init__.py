"""The recommender: retrievers find candidates, a ranker puts them in order, an artefact stores both."""
