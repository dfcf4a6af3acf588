"""What people see, a package for each audience: demo, diseases, reading, managing, dashboard."""
