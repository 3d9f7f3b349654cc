"""Schema-readiness sidecar: proves at boot that a live PostgreSQL schema carries what an image was compiled against."""

__version__ = "0.1.0"
