"""What ``/status`` tells: chosen once, and shown as plain values, as text for a terminal and as a page. Pure."""

from sidecar.status.overview import About, timestamp
from sidecar.status.page import STYLE_HASH, status_to_page
from sidecar.status.text import status_to_text
from sidecar.status.values import status_to_json

__all__ = ["STYLE_HASH", "About", "status_to_json", "status_to_page", "status_to_text", "timestamp"]
