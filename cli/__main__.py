"""`python -m inr_cli`, which is what torchrun starts."""

from .main import run

if __name__ == "__main__":
    run()
