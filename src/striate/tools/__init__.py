"""The same network in other tools, and the gate that holds their answers against PyTorch's."""

from striate.tools.base import TOOLS, Tool, installed_version
from striate.tools.exported import Exported
from striate.tools.exporting import Export, export

__all__ = ["TOOLS", "Export", "Exported", "Tool", "export", "installed_version"]
