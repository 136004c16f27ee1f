"""What every command of isamap has in common: its words, help, reports, logs and shell completion."""
