"""What stands between the network and the pages: settings, who is let in, headers, logs, readiness."""
