"""The release artifacts: the wheel, the image and the deployment files."""
