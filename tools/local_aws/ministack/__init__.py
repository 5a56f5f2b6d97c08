"""ministack, the local AWS, with what it lacks: each module says what it adds, and launcher.py starts it."""
