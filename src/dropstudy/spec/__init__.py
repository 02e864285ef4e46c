"""What a study asks for: its file, its arms, the plan of its runs, and what it may become."""
