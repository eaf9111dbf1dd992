"""HTML pages for people, each one file without a script or a request: `matinee.publish.report.pages`."""
