"""Runs on Argo Workflows: started, watched, stopped and scheduled through the Kubernetes API, or an Argo server."""
