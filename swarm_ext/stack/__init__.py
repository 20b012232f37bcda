"""What stands behind the commands that deploy: `stack`, `app`, `cadvisor` and `init`. Decisions apart from Docker's I/O."""
