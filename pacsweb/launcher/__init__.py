"""`python -m pacsweb up`: everything PACSWeb needs on one machine, as one supervised tree of processes."""
