"""Chat servers: takes requests of the harness, gives the answers of a server that speaks OpenAI's chat completions."""
