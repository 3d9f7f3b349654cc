"""Where contracts come from: each module reads one kind of source."""
