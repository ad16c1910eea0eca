"""Between the web server and Django: no thread waits for a client without a clock."""
