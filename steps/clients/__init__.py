"""The only importers of vendor libraries; they speak this project's words and raise its errors."""
