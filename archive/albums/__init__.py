"""Albums: named, ordered selections of the studies of one archive."""
