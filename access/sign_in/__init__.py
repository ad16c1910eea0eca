"""Who somebody is: signing in, second factors, sessions and their lock, the proof that it is still the same person."""
